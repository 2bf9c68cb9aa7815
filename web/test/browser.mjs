// The page in Chromium, as a person uses it, against real servers over wss. Screenshots go to build/web.
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { classify, launch, open, serveFiles, used, web } from './chromium.mjs';
import { best, check, finish, nativeAnswers, pictures, root, serve } from './server.mjs';
import { tamper } from './tamper.mjs';

const flash = process.argv[2];
const shots = join(root, 'build/web');
mkdirSync(shots, { recursive: true });
const server = await serve(flash, 'models/cifar10/cifar10.flash', '--web', web);
const poor = [], one = ['--web', web, '--inferences-per-minute', '1'];  // one for each page: what is spent is spent for both
for (let i = 0; i < 2; ++i) poor.push(await serve(flash, 'models/cifar10/cifar10.flash', ...one));

const other = await tamper(server, 3, (serverHello) => serverHello.writeUInt32LE(99, 20));
const cheat = await tamper(server, 7, (linearResponse) => linearResponse.writeUInt32LE(5, 12));
const files = await serveFiles();
const { browser, close } = await launch([server, ...poor]);
const complaints = [];
browser.on('page', (page) => {
  page.on('console', (message) => {
    if (message.type() === 'error') complaints.push(message.text());
  });
  page.on('pageerror', (error) => complaints.push(String(error)));
});

/** The page's sentence about a server that it is told to connect to, and its kind. */
async function refusal(page, address) {
  await page.fill('#address', address);
  await page.click('#connect');
  await page.waitForSelector('#error:visible');
  return { sentence: await page.textContent('#error'), kind: await page.getAttribute('#error', 'data-kind') };
}
async function connect(page, address) {
  await page.fill('#address', address);
  await page.click('#connect');
  await page.waitForFunction(() => /^Connected/.test(document.getElementById('status').textContent));
}

/** Every failure is a sentence, whatever the page computes with, and the next inference works. The page has a picture. */
async function failures(page, where, poor) {
  await page.bringToFront();  // a page behind another one is not drawn, and waits
  const otherVersion = await refusal(page, other.address);
  check(/speaks protocol version 99/.test(otherVersion.sentence) && otherVersion.kind === 'protocol',
    `${where}, another version of the protocol: ${otherVersion.sentence}`);
  await connect(page, cheat.address);
  const cheated = await classify(page);
  check(/expected layer 0 item 0, got layer 0 item 5/.test(cheated.error), `${where}, a message that breaks the protocol: ${cheated.error}`);
  await connect(page, poor.address);
  let spent = { error: '' };  // the budget is of each minute by the clock, so a second one may be in the next
  for (let i = 0; i < 3 && !spent.error; ++i) spent = await classify(page);
  check(/minute/.test(spent.error), `${where}, budget spent: ${spent.error}`);
  await page.screenshot({ path: join(shots, 'budget.png') });
  await connect(page, server.address);
  const answer = await classify(page);
  check(answer.name !== '' && !answer.error, `${where}, an answer after all that: ${answer.name} ${answer.error}`);
}

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
    return { module: (await used(page)).bytes, heap: usedSize };
  };
  const before = await heap();
  for (let i = 0; i < 10; ++i) await classify(page);
  const after = await heap();
  check(after.module === before.module, `ten inferences more: the module keeps its ${after.module >> 20} MiB`);
  check(after.heap < before.heap + (2 << 20), `and the page its ${before.heap >> 10} KiB (${after.heap >> 10})`);
  check(after.module < 1 << 30, 'below 1 GiB');

  // Threads: on a page that the server isolates from other origins, and only there.
  const { cores, isolated } = await page.evaluate(() =>
    ({ cores: navigator.hardwareConcurrency, isolated: crossOriginIsolated }));
  const { threads } = await used(page);
  check(isolated && threads === Math.min(cores, 8), `isolated, the client has ${threads} threads`);
  const elsewhere = await open(browser, files.address, server);
  check(!(await elsewhere.evaluate(() => crossOriginIsolated)), 'from another web server the page is not isolated');
  for (const [i, file] of pictures.slice(0, 3).entries()) {
    const { name, error } = await classify(elsewhere, file);
    check(name === names[classes[i]] && !error, `and has the same class: ${name} ${error}`);
  }
  check((await used(elsewhere)).threads === 1, 'by one thread');
  await page.bringToFront();

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
  await connect(page, server.address);
  // The workers of clients that were closed, two by now on this page, have wiped what was secret and ended themselves.
  for (let i = 0; i < 40 && page.workers().length !== threads; ++i) await page.waitForTimeout(50);
  check(page.workers().length === threads, `of closed clients no worker is left: there are ${page.workers().length}`);

  await page.setInputFiles('#file', { name: 'no.png', mimeType: 'image/png', buffer: Buffer.from('no picture') });
  await page.waitForSelector('#error:visible');
  check(/no picture/.test(await page.textContent('#error')), 'a file that is no picture is refused with a sentence');

  await failures(page, 'with threads', poor[0]);
  await failures(elsewhere, 'without', poor[1]);
  await server.stop();
  for (const [each, where] of [[page, 'with threads'], [elsewhere, 'without']]) {
    await each.bringToFront();
    const gone = await classify(each);
    check(/closed the connection|cannot connect/i.test(gone.error), `${where}, server gone: ${gone.error}`);
  }
  await page.screenshot({ path: join(shots, 'server-gone.png') });
  const unexpected = complaints.filter((text) => !/WebSocket connection|ERR_CONNECTION/.test(text));
  check(unexpected.length === 0, `complaints of the browser: ${unexpected.join('; ') || 'none'}`);
} finally {
  await close();
  for (const each of [files, other, cheat]) each.stop();
  await server.stop();
  for (const each of poor) await each.stop();
}
finish('the page in Chromium');
