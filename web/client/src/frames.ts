// Cuts the streams of both directions into frames, for whoever wants to see what passed. The client itself does that in
// WebAssembly, with its own checks.
import type { Frame } from './types.js';

const names = ['', 'error', 'client-hello', 'server-hello', 'start', 'start-reply', 'upload', 'linear-response',
  'server-vectors', 'product-response', 'result-share', 'finish', 'list-models', 'model-list'];
const headerBytes = 16;
const headBytes = 64;

export class FrameCutter {
  private readonly header = new Uint8Array(headerBytes);
  private filled = 0;
  private left = 0;
  private frame: Frame | undefined;

  constructor(private readonly direction: Frame['direction']) {}

  /** The frames that begin in these bytes; each with what of its head is in them. */
  cut(bytes: Uint8Array, time: number): Frame[] {
    const frames: Frame[] = [];
    for (let at = 0; at < bytes.length;) {
      if (this.left > 0) {
        const part = Math.min(this.left, bytes.length - at);
        const frame = this.frame!;
        if (frame.head.length < headBytes) {
          const more = bytes.subarray(at, at + Math.min(part, headBytes - frame.head.length));
          const head = new Uint8Array(frame.head.length + more.length);
          head.set(frame.head);
          head.set(more, frame.head.length);
          frame.head = head;
        }
        this.left -= part;
        at += part;
        continue;
      }
      this.header[this.filled++] = bytes[at++];
      if (this.filled < headerBytes) continue;
      this.filled = 0;
      const view = new DataView(this.header.buffer);
      const type = view.getUint16(4, true);
      this.left = view.getUint32(0, true);
      this.frame = {
        direction: this.direction, type, name: names[type] ?? `type ${type}`, layer: view.getUint32(8, true),
        index: view.getUint32(12, true), bytes: headerBytes + this.left, time, head: new Uint8Array(0),
      };
      frames.push(this.frame);
    }
    return frames;
  }
}
