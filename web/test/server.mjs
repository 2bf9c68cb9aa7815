// A server of Flash for the tests, and what the native client answers.
import { execFileSync, spawn } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';

export const root = fileURLToPath(new URL('../..', import.meta.url));
export const pictures = readdirSync(join(root, 'examples/pictures')).filter((name) => name.endsWith('.jpg'))
  .map((name) => join(root, 'examples/pictures', name));

export async function serve(flash, model, ...options) {
  const state = mkdtempSync(join(tmpdir(), 'flash-web-'));
  const process = spawn(flash, ['serve', resolve(root, model), '--listen', '127.0.0.1:0', '--cert-dir', state, '--port-file',
    join(state, 'port'), ...options], { stdio: ['ignore', 'ignore', 'pipe'] });
  let log = '';
  process.stderr.on('data', (text) => (log += text));
  const ended = new Promise((done) => process.on('exit', done));
  for (let tenth = 0; tenth < 1200; ++tenth) {
    const pin = /certificate (sha256:[0-9a-f]{64})/.exec(log)?.[1];
    let port = '';
    try {
      port = readFileSync(join(state, 'port'), 'utf8').trim();
    } catch {
      if (process.exitCode !== null) throw new Error(`the server ended: ${log}`);
    }
    if (port && pin) {
      return {
        address: `wss://127.0.0.1:${port}`, port, pin, certificate: join(state, 'server.crt'),
        stop: async () => {
          process.kill('SIGKILL');
          await ended;
          rmSync(state, { recursive: true, force: true });
        },
      };
    }
    await new Promise((done) => setTimeout(done, 100));
  }
  throw new Error(`the server was not ready: ${log}`);
}

/** By the native client: the logits of each picture. */
export function nativeAnswers(flash, server) {
  const text = execFileSync(flash, ['infer', '--server', `127.0.0.1:${server.port}`, '--pin', server.pin, '--json', ...pictures],
    { encoding: 'utf8' });
  return JSON.parse(text).results.map((result) => result.logits);
}

export const best = (logits) => logits.indexOf(Math.max(...logits));

let failures = 0;
export function check(condition, what) {
  console.log(`${condition ? 'ok  ' : 'FAIL'} ${what}`);
  if (!condition) failures += 1;
}
export function finish(name) {
  console.log(failures === 0 ? `${name}: all passed` : `${name}: ${failures} FAILED`);
  process.exitCode = failures === 0 ? 0 : 1;
}
