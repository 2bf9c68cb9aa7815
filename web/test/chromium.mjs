// Chromium for the tests, and the page in it.
import { createHash, X509Certificate } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { createServer } from 'node:http';
import { tmpdir } from 'node:os';
import { extname, join, normalize } from 'node:path';
import { chromium } from 'playwright-core';
import { root } from './server.mjs';

export const web = join(root, 'web/page/dist');

/** Only these servers' own certificates are trusted, in place of an authority. */
export async function launch(servers) {
  const keys = servers.map(({ certificate }) => {
    const key = new X509Certificate(readFileSync(certificate)).publicKey.export({ type: 'spki', format: 'der' });
    return createHash('sha256').update(key).digest('base64');
  });
  const profile = mkdtempSync(join(tmpdir(), 'flash-chromium-'));
  const browser = await chromium.launchPersistentContext(profile, {
    executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium', headless: true, viewport: { width: 1200, height: 1100 },
    args: ['--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking',
      '--disable-component-update', '--disable-sync', `--ignore-certificate-errors-spki-list=${keys.join(',')}`,
      '--use-fake-device-for-media-stream', '--use-fake-ui-for-media-stream'],
  });
  return {
    browser,
    close: async () => {
      await browser.close();
      rmSync(profile, { recursive: true, force: true });
    },
  };
}

/** The page's files from a web server that knows nothing of Flash and isolates nothing. */
export async function serveFiles() {
  const types = { '.html': 'text/html', '.js': 'text/javascript', '.mjs': 'text/javascript', '.css': 'text/css',
    '.wasm': 'application/wasm' };
  const files = createServer((request, response) => {
    const path = normalize(new URL(request.url, 'http://localhost').pathname.replace(/\/$/, '/index.html'));
    try {
      const content = readFileSync(join(web, path));
      response.writeHead(200, { 'Content-Type': types[extname(path)] ?? 'application/octet-stream' }).end(content);
    } catch {
      response.writeHead(404).end();
    }
  });
  await new Promise((done) => files.listen(0, '127.0.0.1', done));
  return { address: `http://127.0.0.1:${files.address().port}/`, stop: () => files.close() };
}

/** With the address of a page, and of a server of Flash where the page does not come from it. */
export async function open(browser, address, server) {
  const page = await browser.newPage();
  await page.goto(address);
  if (server) {
    await page.fill('#address', server.address);
    await page.click('#connect');
  }
  await page.waitForFunction(() => /^Connected/.test(document.getElementById('status').textContent), null, { timeout: 60_000 });
  return page;
}

/** The best class and the seconds that the page shows, or its error. */
export async function classify(page, file) {
  if (file) await page.setInputFiles('#file', file);
  await page.waitForSelector('#classify:enabled');
  await page.evaluate(() => (document.getElementById('status').textContent = 'asked'));
  await page.click('#classify');
  await page.waitForFunction(() => / in [\d.]+ s: /.test(document.getElementById('status').textContent) ||
    !document.getElementById('error').hidden, null, { timeout: 120_000 });
  const error = await page.textContent('#error');
  return {
    error: (await page.isVisible('#error')) ? error : '',
    name: (await page.locator('#classes li:first-child span').allTextContents())[0] ?? '',  // at once: none after an error
    seconds: Number(/ in ([\d.]+) s/.exec(await page.textContent('#status'))?.[1]),
  };
}

/** Bytes of the client's memory, and its threads, after an inference. */
export async function used(page) {
  await page.waitForSelector('#memory:visible');
  const { bytes, threads } = await page.$eval('#memory', (note) => ({ ...note.dataset }));
  return { bytes: Number(bytes), threads: Number(threads) };
}
