// The client in a page: all that computes is in a worker of its own.
import { FlashError } from './errors.js';
import type { Answer, Client, ConnectOptions, InferOptions, Input, Model } from './types.js';
import type { FromWorker, ToWorker } from './worker_messages.js';

interface Call {
  resolve: (value: never) => void;
  reject: (error: unknown) => void;
  onProgress?: (fraction: number) => void;
}

/** A step of the computation takes far less. */
const patienceMilliseconds = 5000;

type Method = ToWorker extends infer Message ? (Message extends { id: number } ? Omit<Message, 'id'> : never) : never;

export class WorkerClient implements Client {
  model!: Model;
  threads!: number;
  private readonly worker = new Worker(new URL('./worker.js', import.meta.url), { type: 'module' });
  private readonly calls = new Map<number, Call>();
  private next = 0;
  private closed = false;

  static async connect(url: string, { onFrames, ...options }: ConnectOptions): Promise<WorkerClient> {
    const client = new WorkerClient(onFrames);
    try {
      const told = await client.call<{ model: Model; threads: number }>(
        { method: 'connect', url, options, frames: onFrames !== undefined });
      [client.model, client.threads] = [told.model, told.threads];
    } catch (error) {
      client.close();
      throw error;
    }
    return client;
  }

  private constructor(onFrames: ConnectOptions['onFrames']) {
    this.worker.onmessage = ({ data }: MessageEvent<FromWorker>) => {
      if ('frames' in data) return onFrames?.(data.frames);
      const call = this.calls.get(data.id);
      if ('progress' in data) return call?.onProgress?.(data.progress);
      this.calls.delete(data.id);
      if ('error' in data) call?.reject(new FlashError(data.error.kind, data.error.message));
      else call?.resolve(data.result as never);
    };
    this.worker.onerror = (event) => {
      event.preventDefault();
      this.failAll(new FlashError('internal', `the worker could not run: ${event.message ?? 'it was not loaded'}`));
    };
  }

  classify(input: Input, { signal, onProgress }: InferOptions = {}): Promise<Answer> {
    if (signal?.aborted) return Promise.reject(new FlashError('cancelled', 'the inference was cancelled'));
    const id = this.next;
    const cancel = () => this.worker.postMessage({ id, method: 'cancel' } satisfies ToWorker);
    signal?.addEventListener('abort', cancel, { once: true });
    return this.call<Answer>({ method: 'classify', input }, onProgress)
      .finally(() => signal?.removeEventListener('abort', cancel));
  }
  memory(): Promise<number> {
    return this.call<number>({ method: 'memory' });
  }
  close(): void {
    if (this.closed) return;
    this.closed = true;
    // The worker wipes what is secret and ends itself; one that does not come to it is ended.
    this.worker.postMessage({ id: this.next++, method: 'close' } satisfies ToWorker);
    setTimeout(() => this.worker.terminate(), patienceMilliseconds);
    this.failAll(new FlashError('cancelled', 'the client was closed'));
  }

  private failAll(error: FlashError): void {
    for (const call of this.calls.values()) call.reject(error);
    this.calls.clear();
  }
  private call<T>(message: Method, onProgress?: (fraction: number) => void): Promise<T> {
    if (this.closed) return Promise.reject(new FlashError('invalid-argument', 'the client was closed'));
    const id = this.next++;
    return new Promise<T>((resolve, reject) => {
      this.calls.set(id, { resolve, reject, onProgress });
      this.worker.postMessage({ ...message, id });
    });
  }
}
