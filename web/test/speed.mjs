// CPU seconds of one inference's client in WebAssembly, beside those of the native client with AVX2 (which decodes its
// pictures, too). Of processes that do nothing else, and as differences of runs with more and fewer inferences, so that
// another load on the machine counts little.
import { spawnSync } from 'node:child_process';
import { FlashClient } from 'flash-client';
import { pictures, serve } from './server.mjs';

const [flash, inferences, ...models] = process.argv.slice(2);
const few = 1, more = few + Number(inferences);

/** User and system seconds of the native client with so many pictures. */
function native(server, count) {
  const files = Array.from({ length: count }, (_, i) => pictures[i % pictures.length]);
  const run = spawnSync('bash', ['-c', 'TIMEFORMAT="%U %S"; time "$0" "$@" >/dev/null', flash, 'infer', '--server',
    `127.0.0.1:${server.port}`, '--pin', server.pin, '--threads', '1', ...files],
  { env: { ...process.env, FLASH_INSTRUCTION_SET: 'avx2' }, encoding: 'utf8' });
  if (run.status !== 0) throw new Error(`flash infer ended with ${run.status}: ${run.stderr}`);
  const [user, system] = run.stderr.trim().split('\n').at(-1).split(' ').map(Number);
  return user + system;
}

for (const model of models) {
  const server = await serve(flash, model);
  try {
    const client = await FlashClient.connect(server.address, { pin: server.pin });
    const input = new Float32Array(client.model.input.reduce((product, extent) => product * extent, 1));
    for (let i = 0; i < few; ++i) await client.classify(input);
    const cpu = process.cpuUsage(), steps = new Map();
    let wall = 0, waited = 0;
    for (let i = 0; i < more - few; ++i) {
      const answer = await client.classify(input);
      wall += answer.seconds;
      for (const { step, waiting, seconds } of answer.steps)
        if (!waiting) steps.set(step, (steps.get(step) ?? 0) + seconds / (more - few));
        else waited += seconds;
    }
    const { user, system } = process.cpuUsage(cpu);
    const here = (user + system) / 1e6 / (more - few), memory = await client.memory();
    client.close();
    const before = native(server, few), there = (native(server, more) - before) / (more - few);
    console.log(`${model}: CPU seconds of an inference's client: ${here.toFixed(3)} in WebAssembly, ${there.toFixed(3)} ` +
      `natively with AVX2: ${(here / there).toFixed(1)} times; ${(wall / (more - few)).toFixed(2)} s by the clock, ` +
      `${memory >> 20} MiB`);
    console.log('  ' + [...steps].map(([step, seconds]) => `${step} ${seconds.toFixed(3)}`).join(', '));
  } finally {
    await server.stop();
  }
}
