// What Emscripten makes of src/web/exports.cpp. The build puts flash_core.mjs and flash_core.wasm beside this file, and
// flash_core_threads.*, which is the same with threads.
export interface FlashCoreModule {
  readonly HEAPU8: Uint8Array;
  UTF8ToString(pointer: number): string;
  /** With threads only. */
  _flash_start_threads?(threads: number): number;
  _flash_text(): number;
  _flash_bytes(): number;
  _flash_allocate(size: number): number;
  _flash_release(memory: number, size: number): void;
  _flash_open(model: number, fingerprint: number, token: number, tokenSize: number, trustServer: number,
              largeRingOnly: number): number;
  _flash_close(session: number): void;
  _flash_feed(session: number, bytes: number, size: number): number;
  _flash_end(session: number): void;
  _flash_step(session: number): number;
  _flash_state(session: number): number;
  _flash_layers_done(session: number): number;
  _flash_take_outgoing(session: number): number;
  _flash_model(session: number): number;
  _flash_infer_picture(session: number, samples: number, height: number, width: number): number;
  _flash_infer_values(session: number, values: number, count: number): number;
  _flash_take_result(session: number): number;
  _flash_fail(session: number, sentence: number): void;
}
export interface FlashCoreOptions {
  wasmBinary?: Uint8Array;
  locateFile?: (name: string) => string;
  /** With threads only: their memory, how many, and the address of the script for their workers. */
  wasmMemory?: WebAssembly.Memory;
  threads?: number;
  mainScriptUrlOrBlob?: string;
}
export type CreateFlashCore = (options?: FlashCoreOptions) => Promise<FlashCoreModule>;
declare const createFlashCore: CreateFlashCore;
export default createFlashCore;
