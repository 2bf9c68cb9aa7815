// The client on the thread that it is called from: it computes in pieces of some milliseconds and lets messages in between.
import { loadCore, State, type Core, type RawResult, type Session } from './core.js';
import { FlashError } from './errors.js';
import { FrameCutter } from './frames.js';
import { pixelsOf } from './pixels.js';
import type { Answer, Client, ClassScore, ConnectOptions, InferOptions, Input, Model } from './types.js';
import { connectWire, type Wire } from './wire.js';

const pieceMilliseconds = 10;
const mostThreads = 8;

/** After what waits in the event loop, messages of the server among it. */
const nextTurn: () => Promise<void> = (() => {
  if (typeof setImmediate === 'function') return () => new Promise<void>((resolve) => setImmediate(resolve));
  const channel = new MessageChannel();
  const waiting: (() => void)[] = [];
  channel.port1.onmessage = () => waiting.shift()!();
  return () => new Promise<void>((resolve) => {
    waiting.push(resolve);
    channel.port2.postMessage(null);
  });
})();

interface Awaited {
  until: State;
  resolve: () => void;
  reject: (error: unknown) => void;
}

/** One session over one WebSocket. */
class Connection {
  session!: Session;
  broken: unknown;
  sent = 0;
  received = 0;
  private wire!: Wire;
  private awaited: Awaited | undefined;
  private pumping = false;
  private timer: ReturnType<typeof setTimeout> | undefined;
  private began = 0;
  private readonly cutters = { sent: new FrameCutter('sent'), received: new FrameCutter('received') };

  static async open(core: Core, url: string, options: ConnectOptions): Promise<Connection> {
    const made = new Connection(options);
    made.session = core.open(options.model ?? '', options.fingerprint ?? '', options.token ?? '',
      options.trustServer ?? false, options.largeRingOnly ?? false);
    try {
      made.wire = await connectWire(url, options, { bytes: (bytes) => made.take(bytes), closed: () => made.end() });
      made.began = performance.now();
      await made.reach(State.Ready);
    } catch (error) {
      made.close();
      throw error;
    }
    return made;
  }

  private constructor(private readonly options: ConnectOptions) {}

  /** Works until the session is in this state. */
  reach(until: State, onStep?: () => void): Promise<void> {
    return new Promise((resolve, reject) => {
      this.awaited = { until, resolve, reject };
      this.onStep = onStep;
      this.restartTimer();
      void this.pump();
    });
  }
  private onStep: (() => void) | undefined;

  fail(error: FlashError, sentence: string): void {
    if (this.broken !== undefined) return;
    this.session.fail(sentence);
    this.stop(error);
  }
  /** Whoever waits for an answer gets an error; the session's memory is wiped. */
  close(): void {
    this.broken ??= new FlashError('cancelled', 'the client was closed');
    clearTimeout(this.timer);
    this.wire?.close();
    this.session.close();
    this.awaited?.reject(this.broken);
    this.awaited = undefined;
  }

  private observe(direction: 'sent' | 'received', bytes: Uint8Array): void {
    this[direction] += bytes.length;
    if (!this.options.onFrames) return;
    const frames = this.cutters[direction].cut(bytes, performance.now() - this.began);
    if (frames.length > 0) this.options.onFrames(frames);
  }
  private take(bytes: Uint8Array): void {
    if (this.broken !== undefined) return;
    this.observe('received', bytes);
    this.restartTimer();
    try {
      this.session.feed(bytes);
    } catch (error) {
      this.stop(error);
      return;
    }
    void this.pump();
  }
  private end(): void {
    if (this.broken !== undefined) return;
    this.session.end();
    void this.pump();
  }
  private restartTimer(): void {
    clearTimeout(this.timer);
    if (!this.awaited) return;
    const limit = this.options.timeout!;
    this.timer = setTimeout(() => this.fail(new FlashError('timeout', `the server sent nothing for ${limit} ms`),
      'the client waited too long'), limit);
  }
  /** Sends what there is; the session is of no use after an error. */
  private flush(): void {
    const bytes = this.session.takeOutgoing();
    if (bytes.length === 0) return;
    this.observe('sent', bytes);
    this.wire.send(bytes);
  }
  private stop(error: unknown): void {
    this.broken = error;
    clearTimeout(this.timer);
    try {
      this.flush();
    } catch {
      // The server sees the end of the connection.
    }
    this.wire.close();
    const awaited = this.awaited;
    this.awaited = undefined;
    awaited?.reject(error);
  }
  private async pump(): Promise<void> {
    if (this.pumping) return;
    this.pumping = true;
    try {
      let turn = performance.now();
      while (this.broken === undefined) {
        const worked = this.session.step();
        this.flush();
        if (this.awaited && this.session.state() === this.awaited.until) {
          const { resolve } = this.awaited;
          this.awaited = undefined;
          clearTimeout(this.timer);
          resolve();
          break;
        }
        this.onStep?.();
        if (!worked) break;
        if (performance.now() - turn < pieceMilliseconds) continue;
        await nextTurn();
        turn = performance.now();
      }
    } catch (error) {
      if (this.broken === undefined) this.stop(error);
    } finally {
      this.pumping = false;
    }
  }
}

export class DirectClient implements Client {
  private last: Promise<unknown> = Promise.resolve();
  private closed = false;

  static async connect(url: string, options: ConnectOptions): Promise<DirectClient> {
    const core = await loadCore(options.threads ?? mostThreads);
    const complete = { ...options, timeout: options.timeout ?? 30_000 };
    const connection = await Connection.open(core, url, complete);
    return new DirectClient(core, url, complete, connection, connection.session.model());
  }

  private constructor(private readonly core: Core, private readonly url: string,
    private readonly options: ConnectOptions, private connection: Connection, readonly model: Model) {}

  classify(input: Input, options: InferOptions = {}): Promise<Answer> {
    const run = this.last.then(() => this.run(input, options));
    this.last = run.catch(() => undefined);
    return run;
  }
  get threads(): number {
    return this.core.threads;
  }
  memory(): Promise<number> {
    return Promise.resolve(this.core.memory());
  }
  close(): void {
    this.closed = true;
    this.connection.close();
  }

  private async run(input: Input, options: InferOptions): Promise<Answer> {
    const { signal } = options;
    const cancelled = () => new FlashError('cancelled', 'the inference was cancelled');
    // After every wait: a signal that was given meanwhile tells nobody a second time.
    const check = () => {
      if (signal?.aborted) throw cancelled();
      if (this.closed) throw new FlashError('cancelled', 'the client was closed');
    };
    if (signal?.aborted) throw cancelled();
    if (this.closed) throw new FlashError('invalid-argument', 'the client was closed');
    const picture = input instanceof Float32Array ? input : await pixelsOf(input);
    check();
    // A failed inference is never repeated by itself; the next one gets a connection of its own, to the same model.
    if (this.connection.broken !== undefined) {
      this.connection.close();
      this.connection = await Connection.open(this.core, this.url,
        { ...this.options, fingerprint: this.model.fingerprint });
      if (this.closed) this.connection.close();
      check();  // nothing was asked for on it yet: it stays for the next inference
    }
    const connection = this.connection, { session } = connection;
    const sent = connection.sent, received = connection.received, began = performance.now();
    if (picture instanceof Float32Array) session.inferValues(picture);
    else session.inferPicture(new Uint8Array(picture.data.buffer, picture.data.byteOffset, picture.data.byteLength),
      picture.height, picture.width);
    const abort = () => connection.fail(cancelled(), 'the client cancelled the inference');
    signal?.addEventListener('abort', abort, { once: true });
    let done = -1;
    try {
      await connection.reach(State.Result, () => {
        const now = session.layersDone();
        if (now !== done) options.onProgress?.((done = now) / this.model.layers.length);
      });
    } finally {
      signal?.removeEventListener('abort', abort);
    }
    const result = session.takeResult();
    options.onProgress?.(1);
    return {
      classes: rank(result, this.model), logits: result.logits, seconds: (performance.now() - began) / 1000,
      roundTrips: result.roundTrips, bytesSent: connection.sent - sent, bytesReceived: connection.received - received,
      clamped: result.clamped, unreliable: result.unreliable, steps: result.steps,
    };
  }
}

function rank({ logits }: RawResult, model: Model): ClassScore[] {
  const most = Math.max(...logits);
  const sum = logits.reduce((total, logit) => total + Math.exp(logit - most), 0);
  return logits
    .map((logit, index) => ({
      index, name: model.classes[index] ?? `class ${index}`, logit, probability: Math.exp(logit - most) / sum,
    }))
    .sort((one, other) => other.logit - one.logit || one.index - other.index);
}
