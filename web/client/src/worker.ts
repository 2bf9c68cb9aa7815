// The client within a worker; worker_client.ts is the other side.
import { DirectClient } from './direct.js';
import { FlashError } from './errors.js';
import type { FromWorker, ToWorker } from './worker_messages.js';

let client: DirectClient | undefined;
const running = new Map<number, AbortController>();
const post = (message: FromWorker) => (self as unknown as Worker).postMessage(message);

async function answer(message: ToWorker): Promise<unknown> {
  switch (message.method) {
    case 'connect':
      client = await DirectClient.connect(message.url, {
        ...message.options, onFrames: message.frames ? (frames) => post({ frames }) : undefined,
      });
      return { model: client.model, threads: client.threads };
    case 'classify': {
      const controller = new AbortController();
      running.set(message.id, controller);
      try {
        return await client!.classify(message.input, {
          signal: controller.signal, onProgress: (progress) => post({ id: message.id, progress }),
        });
      } finally {
        running.delete(message.id);
      }
    }
    case 'memory':
      return client!.memory();
    case 'cancel':
      running.get(message.id)?.abort();
      break;
    case 'close':
      client?.close();  // wipes what is secret, also of an inference that runs
      self.close();
  }
  return undefined;
}

self.onmessage = async (event: MessageEvent<ToWorker>) => {
  const { data } = event;
  try {
    const result = await answer(data);
    if (data.method !== 'cancel' && data.method !== 'close') post({ id: data.id, result });
  } catch (error) {
    const known = error instanceof FlashError;
    post({ id: data.id, error: { kind: known ? error.kind : 'internal', message: String(known ? error.message : error) } });
  }
};
