// The WebAssembly module: loading it, and its functions on JavaScript's types.
import type { CreateFlashCore, FlashCoreModule } from '../core/flash_core.mjs';
import { FlashError } from './errors.js';
import type { Model, StepTime } from './types.js';

/** SteppedSession::State. */
export enum State { Handshake, Ready, Inference, Result, Failed }

export interface RawResult {
  logits: number[];
  x: number[];
  roundTrips: number;
  clamped: number;
  unreliable: string;
  steps: StepTime[];
}

export const inNode = typeof process !== 'undefined' && !!process.versions?.node;

let loading: Promise<Core> | undefined;

/** One module serves all sessions of a page, worker or process, with the threads that the first one may have. */
export function loadCore(mostThreads: number): Promise<Core> {
  loading ??= load(mostThreads);
  return loading;
}

async function load(mostThreads: number): Promise<Core> {
  // Memory is shared only where no other origin can look in, and only a worker may wait for threads.
  const mayWait = !inNode && typeof document === 'undefined' && globalThis.crossOriginIsolated;
  const threads = mayWait ? Math.min(navigator.hardwareConcurrency || 1, mostThreads) : 1;
  if (threads > 1) {
    try {
      return await loadThreads(threads);
    } catch {
      // Such as a device without address space for the most that shared memory may grow to: it goes without.
    }
  }
  const address = new URL('../core/flash_core.wasm', import.meta.url);
  const { default: create } = await import('../core/flash_core.mjs');
  if (inNode && address.protocol === 'file:') {
    const files = await import(/* @vite-ignore */ 'node:' + 'fs/promises');
    return new Core(await create({ wasmBinary: await files.readFile(address) }));
  }
  return new Core(await create({ locateFile: () => address.href }));
}

async function loadThreads(threads: number): Promise<Core> {
  const script = new URL('../core/flash_core_threads.mjs', import.meta.url);
  const wasm = new URL('../core/flash_core_threads.wasm', import.meta.url);
  const worker = new URL('../core/flash_core_threads.worker.js', import.meta.url);
  const pages = (mebibytes: number) => mebibytes * 16;
  const wasmMemory = new WebAssembly.Memory({ initial: pages(32), maximum: pages(2048), shared: true });
  // The threads' workers load the same script, so it is no part of a bundle.
  const { default: create } = await import(/* @vite-ignore */ script.href) as { default: CreateFlashCore };
  const module = await create({
    wasmMemory, threads: threads - 1, mainScriptUrlOrBlob: script.href,
    locateFile: (name) => (name.endsWith('.wasm') ? wasm : worker).href,
  });
  const core = new Core(module, threads, wasmMemory);
  if (module._flash_start_threads!(threads - 1) < 0) throw core.error();
  return core;
}

export class Core {
  constructor(private readonly module: FlashCoreModule, readonly threads = 1,
    private readonly shared?: WebAssembly.Memory) {}

  /** The module's memory, until it grows; where threads share it, any of them may have made it grow. */
  bytes(): Uint8Array {
    return this.shared ? new Uint8Array(this.shared.buffer) : this.module.HEAPU8;
  }
  memory(): number {
    return this.bytes().length;
  }

  open(model: string, fingerprint: string, token: string, trustServer: boolean, largeRingOnly: boolean): Session {
    const encode = (text: string) => new TextEncoder().encode(text);
    const session = this.with(encode(model + '\0'), (m) =>
      this.with(encode(fingerprint + '\0'), (f) =>
        this.with(encode(token), (t, size) =>
          this.module._flash_open(m, f, t, size, Number(trustServer), Number(largeRingOnly)))));
    if (session === 0) throw this.error();
    return new Session(this, this.module, session);
  }

  /** A copy of the bytes in the module's memory while body runs; overwritten afterwards. */
  with<T>(bytes: Uint8Array, body: (pointer: number, size: number) => T): T {
    const room = Math.max(bytes.length, 1);
    const pointer = this.module._flash_allocate(room);
    if (pointer === 0) throw new FlashError('internal', 'the page ran out of memory');
    try {
      this.bytes().set(bytes, pointer);
      return body(pointer, bytes.length);
    } finally {
      this.module._flash_release(pointer, room);
    }
  }

  text(): string {
    return this.module.UTF8ToString(this.module._flash_text());
  }
  error(): FlashError {
    const { kind, message } = JSON.parse(this.text());
    return new FlashError(kind, message);
  }
}

export class Session {
  constructor(private readonly core: Core, private readonly module: FlashCoreModule, private pointer: number) {}

  close(): void {
    if (this.pointer !== 0) this.module._flash_close(this.pointer);
    this.pointer = 0;
  }
  state(): State {
    return this.module._flash_state(this.pointer);
  }
  feed(bytes: Uint8Array): void {
    this.core.with(bytes, (at, size) => this.check(this.module._flash_feed(this.pointer, at, size)));
  }
  end(): void {
    this.module._flash_end(this.pointer);
  }
  step(): boolean {
    return this.check(this.module._flash_step(this.pointer)) === 1;
  }
  layersDone(): number {
    return this.module._flash_layers_done(this.pointer);
  }
  takeOutgoing(): Uint8Array {
    const size = this.check(this.module._flash_take_outgoing(this.pointer));
    const at = this.module._flash_bytes();
    return this.core.bytes().slice(at, at + size);
  }
  model(): Model {
    this.check(this.module._flash_model(this.pointer));
    return JSON.parse(this.core.text());
  }
  inferPicture(rgba: Uint8Array, height: number, width: number): void {
    this.core.with(rgba, (at) => this.check(this.module._flash_infer_picture(this.pointer, at, height, width)));
  }
  inferValues(values: Float32Array): void {
    const bytes = new Uint8Array(values.buffer, values.byteOffset, values.byteLength);
    this.core.with(bytes, (at) => this.check(this.module._flash_infer_values(this.pointer, at, values.length)));
  }
  takeResult(): RawResult {
    this.check(this.module._flash_take_result(this.pointer));
    return JSON.parse(this.core.text());
  }
  fail(sentence: string): void {
    this.core.with(new TextEncoder().encode(sentence + '\0'), (at) => this.module._flash_fail(this.pointer, at));
  }

  private check(result: number): number {
    if (result < 0) throw this.core.error();
    return result;
  }
}
