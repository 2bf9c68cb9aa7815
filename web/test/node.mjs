// The package in Node.js against a real server.
import { readFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { FlashClient } from 'flash-client';
import jpeg from 'jpeg-js';
import { best, check, finish, nativeAnswers, pictures, serve } from './server.mjs';

const flash = process.argv[2];
const server = await serve(flash, 'models/cifar10/cifar10.flash');
const failure = async (body) => {
  try {
    await body();
  } catch (error) {
    return `${error.kind}: ${error.message}`;
  }
  return 'nothing';
};

try {
  const expected = nativeAnswers(flash, server);
  const frames = [];
  const client = await FlashClient.connect(server.address, { pin: server.pin, onFrames: (some) => frames.push(...some) });
  check(client.model.name === 'cifar10' && client.model.layers.length === 7, 'the model is described');
  for (const [i, file] of pictures.entries()) {
    const { data, width, height } = jpeg.decode(readFileSync(file), { useTArray: true });
    const progress = [];
    const answer = await client.classify({ data, width, height }, { onProgress: (fraction) => progress.push(fraction) });
    const off = Math.max(...answer.logits.map((logit, k) => Math.abs(logit - expected[i][k])));
    check(answer.classes[0].index === best(expected[i]) && answer.unreliable === '',
      `${file.split('/').pop()}: ${answer.classes[0].name}, logits within ${off.toFixed(3)} of the native client's`);
    check(off < 0.3, 'and that is near');
    check(answer.bytesSent === client.model.uploadBytes && answer.bytesReceived === client.model.downloadBytes,
      'as many bytes as the model says');
    check(progress.at(-1) === 1 && progress.length > client.model.layers.length / 2, 'progress by layers');
  }
  check(frames.some((frame) => frame.name === 'upload') && frames.every((frame) => !frame.name.startsWith('type')),
    'frames are seen');

  const noise = Float32Array.from({ length: 3072 }, () => 0);
  check((await failure(() => client.classify(new Float32Array(5)))).startsWith('invalid-argument: the input has 5 values'),
    'an input of the wrong size is refused, and costs nothing');
  const red = await failure(() => client.classify({ data: new Uint8ClampedArray(3 * 32 * 32), width: 32, height: 32 }));
  check(red.startsWith('invalid-argument') && red.includes('alpha'), `pixels without alpha: ${red}`);
  const controller = new AbortController();
  const cancelled = failure(() => client.classify(noise, { signal: controller.signal, onProgress: () => controller.abort() }));
  check((await cancelled).startsWith('cancelled'), 'an inference can be cancelled');
  const early = new AbortController();
  setTimeout(() => early.abort(), 0);  // while the next one connects anew
  const stopped = await failure(() => client.classify(noise, { signal: early.signal }));
  check(stopped.startsWith('cancelled'), `cancelled while it connects: ${stopped}`);
  check((await client.classify(noise)).logits.length === 10, 'and the next one gets a connection of its own');

  const leaver = await FlashClient.connect(server.address, { pin: server.pin });
  const left = await failure(() => leaver.classify(noise, { onProgress: () => leaver.close() }));
  check(left === 'cancelled: the client was closed', `closed in the middle of an inference: ${left}`);
  const late = await failure(() => leaver.classify(noise));
  check(late.startsWith('invalid-argument'), `after that: ${late}`);

  const other = 'sha256:' + '0'.repeat(64);
  const pinned = await failure(() => FlashClient.connect(server.address, { pin: other }));
  check(pinned.startsWith('network') && pinned.includes('not the pinned one'), `another pin: ${pinned}`);
  const mute = createServer(() => {});  // which takes connections and says nothing
  await new Promise((resolve) => mute.listen(0, '127.0.0.1', resolve));
  const began = performance.now();
  const silent = await failure(() => FlashClient.connect(`wss://127.0.0.1:${mute.address().port}`, { pin: other, timeout: 500 }));
  mute.close();
  check(silent.startsWith('timeout') && performance.now() - began < 5000, `no answer: ${silent}`);
  const untrusted = await failure(() => FlashClient.connect(server.address));
  check(untrusted.startsWith('network'), `no pin: ${untrusted}`);
  const trusted = await FlashClient.connect(server.address, { ca: readFileSync(server.certificate, 'utf8') });
  trusted.close();
  check(true, 'a certificate as authority');
  const version = await failure(() => FlashClient.connect(server.address, { pin: server.pin, fingerprint: '1'.repeat(64) }));
  check(version.includes('fingerprint'), `another model: ${version}`);
  const name = await failure(() => FlashClient.connect(server.address, { pin: server.pin, model: 'nobody' }));
  check(name.startsWith('remote'), `no such model: ${name}`);
  const plain = await failure(() => FlashClient.connect('ws://127.0.0.1:1'));
  check(plain.startsWith('invalid-argument'), `without TLS: ${plain}`);

  await server.stop();
  const gone = await failure(() => client.classify(noise));
  check(gone.startsWith('network'), `server gone: ${gone}`);
  client.close();
} finally {
  await server.stop();
}
finish('the client in Node.js');
