// Seconds by the clock that the page shows for an inference in Chromium: isolated, with threads; and from another web
// server, with one; in turn. For a machine that does nothing else.
import { classify, launch, open, serveFiles, used, web } from './chromium.mjs';
import { pictures, serve } from './server.mjs';

const [flash, inferences, ...models] = process.argv.slice(2);
const files = await serveFiles();

for (const model of models) {
  const server = await serve(flash, model, '--web', web);
  const { browser, close } = await launch([server]);
  try {
    const runs = [
      { page: await open(browser, `https://127.0.0.1:${server.port}/`), seconds: [] },
      { page: await open(browser, files.address, server), seconds: [] },
    ];
    for (let i = 0; i <= Number(inferences); ++i)
      for (const { page, seconds } of runs) {
        await page.bringToFront();
        const answer = await classify(page, i === 0 ? pictures[0] : undefined);
        if (answer.error) throw new Error(answer.error);
        seconds.push(answer.seconds);
      }
    for (const { page, seconds } of runs) {
      const [first, ...rest] = seconds, sorted = rest.sort((one, other) => one - other);
      const { bytes, threads } = await used(page);
      console.log(`${model}: an inference in Chromium, threads: ${threads}, seconds by the clock: the first ` +
        `${first.toFixed(2)}, then ${sorted[sorted.length >> 1].toFixed(2)} (median of ${sorted.length}, ` +
        `${sorted[0].toFixed(2)} to ${sorted.at(-1).toFixed(2)}), ${bytes >> 20} MiB`);
    }
  } finally {
    await close();
    await server.stop();
  }
}
files.stop();
