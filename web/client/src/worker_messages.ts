import type { ErrorKind } from './errors.js';
import type { ConnectOptions, Frame, Input } from './types.js';

export type ToWorker =
  | { id: number; method: 'connect'; url: string; options: Omit<ConnectOptions, 'onFrames'>; frames: boolean }
  | { id: number; method: 'classify'; input: Input }
  | { id: number; method: 'memory' }
  | { id: number; method: 'cancel' }
  | { id: number; method: 'close' };

export type FromWorker =
  | { id: number; result: unknown }
  | { id: number; error: { kind: ErrorKind; message: string } }
  | { id: number; progress: number }
  | { frames: Frame[] };
