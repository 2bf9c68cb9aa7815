// Seconds by the clock that the page shows for an inference in Chromium. For a machine that does nothing else.
import { classify, launch, memory, open, web } from './chromium.mjs';
import { pictures, serve } from './server.mjs';

const [flash, inferences, ...models] = process.argv.slice(2);

for (const model of models) {
  const server = await serve(flash, model, '--web', web);
  const { browser, close } = await launch([server]);
  try {
    const page = await open(browser, `https://127.0.0.1:${server.port}/`), seconds = [];
    for (let i = 0; i <= Number(inferences); ++i) {
      const answer = await classify(page, i === 0 ? pictures[0] : undefined);
      if (answer.error) throw new Error(answer.error);
      seconds.push(answer.seconds);
    }
    const [first, ...rest] = seconds, sorted = rest.sort((one, other) => one - other);
    console.log(`${model}: an inference in Chromium, seconds by the clock: the first ${first.toFixed(2)}, then ` +
      `${sorted[sorted.length >> 1].toFixed(2)} (median of ${sorted.length}, ${sorted[0].toFixed(2)} to ` +
      `${sorted.at(-1).toFixed(2)}), ${(await memory(page)) >> 20} MiB`);
  } finally {
    await close();
    await server.stop();
  }
}
