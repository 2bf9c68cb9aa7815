import { DirectClient } from './direct.js';
import type { Client, ConnectOptions } from './types.js';
import { WorkerClient } from './worker_client.js';

export { FlashError, type ErrorKind } from './errors.js';
export type { Answer, ClassScore, Client, ConnectOptions, Frame, InferOptions, Input, Model, Pixels, Shape, StepTime }
  from './types.js';

/**
 * Private inference on a server that never sees the input.
 *
 *     const client = await FlashClient.connect('wss://192.0.2.1:7400');
 *     const answer = await client.classify(file);
 *     console.log(answer.classes[0].name);
 *
 * Keys, shares and the picture stay on this side; all errors are FlashError.
 */
export const FlashClient = {
  connect(url: string, options: ConnectOptions = {}): Promise<Client> {
    const worker = options.worker ?? (typeof Worker === 'function' && typeof document === 'object');
    return worker ? WorkerClient.connect(url, options) : DirectClient.connect(url, options);
  },
};
