/** Of a picture or a feature map: channels, height, width. */
export type Shape = [number, number, number];

/** What both parties know of a model; the server told it, and the client checked it. */
export interface Model {
  name: string;
  /** 64 hexadecimal digits that commit to the weights. */
  fingerprint: string;
  input: Shape;
  output: Shape;
  classes: string[];
  takesPictures: boolean;
  pictures: { resize: number; cropHeight: number; cropWidth: number; mean: number[]; std: number[]; text: string };
  activationValues: number;
  /** Bytes of one inference, exactly. */
  uploadBytes: number;
  downloadBytes: number;
  trustServer: boolean;
  guarded: boolean;
  layers: { name: string; output: Shape; activation: boolean; up: number; down: number }[];
}

/** Pixels as canvases have them: red, green, blue and alpha, 8 bits each. Alpha is left out. */
export interface Pixels {
  data: Uint8ClampedArray | Uint8Array;
  width: number;
  height: number;
}

/** A picture; or the network's input itself, channels first, normalised as the model was trained. */
export type Input = Pixels | Float32Array | Blob | ImageBitmap;

export interface ClassScore {
  index: number;
  name: string;
  logit: number;
  /** Softmax over all logits. */
  probability: number;
}

/** Where the client's time went. */
export interface StepTime {
  layer: number | null;
  step: string;
  waiting: boolean;
  seconds: number;
  sent: number;
  received: number;
}

export interface Answer {
  /** All classes, best first. */
  classes: ClassScore[];
  logits: number[];
  seconds: number;
  roundTrips: number;
  /** Frames of this inference, before TLS. */
  bytesSent: number;
  bytesReceived: number;
  /** Share of the input's values beyond the range that the model was made for. */
  clamped: number;
  /** Empty, or why the answer cannot be what the network computes. */
  unreliable: string;
  steps: StepTime[];
}

/** One frame of the protocol, as it passed the WebSocket. */
export interface Frame {
  direction: 'sent' | 'received';
  /** Its type's number and name (docs/formats.md). */
  type: number;
  name: string;
  layer: number;
  index: number;
  /** With the header. */
  bytes: number;
  /** Milliseconds since the connection was made. */
  time: number;
  /** The first bytes of the payload. */
  head: Uint8Array;
}

export interface InferOptions {
  signal?: AbortSignal;
  /** Fractions in 0..1, layer by layer. */
  onProgress?: (fraction: number) => void;
}

export interface ConnectOptions {
  /** The model's name at the server, where it has several; perhaps NAME/VERSION. */
  model?: string;
  /** Says who the client is, where the server asks. */
  token?: string;
  /** Refuse any other model. */
  fingerprint?: string;
  /** Node.js: "sha256:<hex>" of the server's certificate, which then decides alone. Browsers show no certificates. */
  pin?: string;
  /** Node.js: trusted certificates, as PEM text. */
  ca?: string;
  /** Accept models that are private only from a server that follows the protocol. */
  trustServer?: boolean;
  /** Refuse models that upload activations in the small ring. */
  largeRingOnly?: boolean;
  /** Milliseconds without a byte of the server, while it owes some. */
  timeout?: number;
  /** In a page, compute in a worker, so that the page stays responsive; default true where there are workers. */
  worker?: boolean;
  /**
   * Threads at most, where the page is isolated from other origins (crossOriginIsolated) and the client computes in a
   * worker; elsewhere there is one. Default: one for each core, but no more than 8.
   */
  threads?: number;
  /** Every frame, as it passes. */
  onFrames?: (frames: Frame[]) => void;
}

/** One connection to a server. Inferences run one after the other. */
export interface Client {
  readonly model: Model;
  /** On which it computes. */
  readonly threads: number;
  classify(input: Input, options?: InferOptions): Promise<Answer>;
  /** Bytes of the WebAssembly module's memory. */
  memory(): Promise<number>;
  close(): void;
}
