// The page in Chromium, as a person uses it, against real servers over wss. Screenshots go to build/web.
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { classify, launch, memory, open, serveFiles, web } from './chromium.mjs';
import { best, check, finish, nativeAnswers, pictures, root, serve } from './server.mjs';

const flash = process.argv[2];
const shots = join(root, 'build/web');
mkdirSync(shots, { recursive: true });
const server = await serve(flash, 'models/cifar10/cifar10.flash', '--web', web);
const poor = await serve(flash, 'models/cifar10/cifar10.flash', '--web', web, '--inferences-per-minute', '1');

const files = await serveFiles();
const { browser, close } = await launch([server, poor]);
const complaints = [];
browser.on('page', (page) => {
  page.on('console', (message) => {
    if (message.type() === 'error') complaints.push(message.text());
  });
  page.on('pageerror', (error) => complaints.push(String(error)));
});

try {
  const classes = nativeAnswers(flash, server).map(best);
  const page = await open(browser, `https://127.0.0.1:${server.port}/`);
  await page.screenshot({ path: join(shots, 'connected.png') });
  const names = ['airplane', 'automobile', 'bird', 'cat', 'deer', 'dog', 'frog', 'horse', 'ship', 'truck'];
  for (const [i, file] of pictures.entries()) {
    const { name, seconds, error } = await classify(page, file);
    check(name === names[classes[i]] && !error, `${file.split('/').pop()}: ${name}, as natively, in ${seconds} s ${error}`);
  }
  await page.screenshot({ path: join(shots, 'answer.png'), fullPage: true });

  // Memory: the module's, and what JavaScript keeps in the page.
  const session = await browser.newCDPSession(page);
  const heap = async () => {
    await session.send('HeapProfiler.collectGarbage');
    const { usedSize } = await session.send('Runtime.getHeapUsage');
    return { module: await memory(page), heap: usedSize };
  };
  const before = await heap();
  for (let i = 0; i < 10; ++i) await classify(page);
  const after = await heap();
  check(after.module === before.module, `ten inferences more: the module keeps its ${after.module >> 20} MiB`);
  check(after.heap < before.heap + (2 << 20), `and the page its ${before.heap >> 10} KiB (${after.heap >> 10})`);
  check(after.module < 1 << 30, 'below 1 GiB');

  const elsewhere = await open(browser, files.address, server);
  for (const [i, file] of pictures.slice(0, 3).entries()) {
    const { name, error } = await classify(elsewhere, file);
    check(name === names[classes[i]] && !error, `the page from another web server has the same class: ${name} ${error}`);
  }
  await elsewhere.close();

  const kinds = await page.$$eval('#kinds tr', (rows) => rows.map((row) => row.cells[0].textContent));
  check(['client-hello', 'start', 'upload', 'product-response', 'finish'].every((kind) => kinds.includes(kind)) &&
    kinds.length === 5, `what left the page: ${kinds.join(', ')}`);
  const entropy = Number(/^[\d.]+/.exec(await page.textContent('#entropy')));
  check(entropy > 7.98, `its bytes are as good as random: ${entropy} bits`);
  check((await page.$$eval('#layers tr', (rows) => rows.filter((row) => Number(row.cells[2].textContent.replace(/,/g, '')) > 0).length)) === 7,
    'every layer shows what came down');
  await page.click('section.wide details summary');
  await page.screenshot({ path: join(shots, 'frames.png'), fullPage: true });

  await page.emulateMedia({ colorScheme: 'dark' });
  await page.screenshot({ path: join(shots, 'dark.png'), fullPage: true });
  await page.emulateMedia({ colorScheme: 'light' });
  await page.setViewportSize({ width: 375, height: 812 });
  check(await page.evaluate(() => document.documentElement.scrollWidth <= window.innerWidth), 'a phone needs no sideways scrolling');
  await page.screenshot({ path: join(shots, 'phone.png'), fullPage: true });
  await page.setViewportSize({ width: 1200, height: 1100 });

  // By keyboard alone, and with names for everything that can be used.
  const nameless = await page.$$eval('button, input, video, canvas, progress', (all) => all.filter((one) =>
    !(one.labels?.length || one.textContent.trim() || one.getAttribute('aria-label'))).map((one) => one.id));
  check(nameless.length === 0, `controls without a name: ${nameless.join(', ') || 'none'}`);

  await page.click('#camera');
  await page.waitForSelector('#video:visible');
  await page.click('#camera');
  const seen = await classify(page);
  check(seen.name !== '' && !seen.error, `the camera's picture: ${seen.name}`);

  await page.click('#server details summary');
  await page.fill('#pin', '1'.repeat(64));
  await page.click('#connect');
  await page.waitForSelector('#error:visible');
  const version = await page.textContent('#error');
  check(/fingerprint/.test(version) && (await page.getAttribute('#error', 'data-kind')) === 'remote', `another version: ${version}`);
  await page.screenshot({ path: join(shots, 'other-version.png') });
  await page.fill('#pin', '');
  await page.click('#connect');
  await page.waitForFunction(() => /^Connected/.test(document.getElementById('status').textContent));

  await page.setInputFiles('#file', { name: 'no.png', mimeType: 'image/png', buffer: Buffer.from('no picture') });
  await page.waitForSelector('#error:visible');
  check(/no picture/.test(await page.textContent('#error')), 'a file that is no picture is refused with a sentence');

  const spent = await open(browser, `https://127.0.0.1:${poor.port}/`);
  await classify(spent, pictures[0]);
  const second = await classify(spent);
  check(/minute/.test(second.error), `budget spent: ${second.error}`);
  await spent.screenshot({ path: join(shots, 'budget.png') });

  await server.stop();
  const gone = await classify(page, pictures[0]);
  check(/closed the connection|cannot connect/i.test(gone.error), `server gone: ${gone.error}`);
  await page.screenshot({ path: join(shots, 'server-gone.png') });
  const unexpected = complaints.filter((text) => !/WebSocket connection|ERR_CONNECTION/.test(text));
  check(unexpected.length === 0, `complaints of the browser: ${unexpected.join('; ') || 'none'}`);
} finally {
  await close();
  files.stop();
  await server.stop();
  await poor.stop();
}
finish('the page in Chromium');
