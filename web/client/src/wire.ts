// The WebSocket to the server: the browser's own, or in Node.js that of the package ws with the certificate checks of the
// native client.
import { inNode } from './core.js';
import { FlashError } from './errors.js';
import type { ConnectOptions } from './types.js';

export interface Wire {
  send(bytes: Uint8Array): void;
  close(): void;
}

export interface WireEvents {
  bytes(bytes: Uint8Array): void;
  closed(): void;
}

const path = '/v2/frames';

function address(url: string): URL {
  let parsed: URL;
  try {
    parsed = new URL(url);
  } catch {
    throw new FlashError('invalid-argument', `'${url}' is no address: give wss://HOST:PORT`);
  }
  if (parsed.protocol !== 'wss:')
    throw new FlashError('invalid-argument', `'${url}' is not a wss: address; without TLS nothing is sent`);
  if (parsed.pathname === '/' || parsed.pathname === '') parsed.pathname = path;
  return parsed;
}

export async function connectWire(url: string, options: ConnectOptions, events: WireEvents): Promise<Wire> {
  const target = address(url);
  return inNode ? connectNode(target, options, events) : connectBrowser(target, options, events);
}

function connectBrowser(target: URL, options: ConnectOptions, events: WireEvents): Promise<Wire> {
  if (options.pin || options.ca)
    throw new FlashError('unsupported', 'a page cannot see certificates: the browser checks them. Pin the model by its fingerprint');
  return new Promise((resolve, reject) => {
    const socket = new WebSocket(target);
    socket.binaryType = 'arraybuffer';
    let open = false;
    const refuse = () => reject(new FlashError('network',
      `cannot connect to ${target.host}: the server does not answer, or the browser does not trust its certificate`));
    const timer = setTimeout(() => {
      reject(new FlashError('timeout', `${target.host} did not answer within ${options.timeout} ms`));
      socket.close();
    }, options.timeout);
    socket.onopen = () => {
      open = true;
      clearTimeout(timer);
      resolve({ send: (bytes) => socket.send(bytes as Uint8Array<ArrayBuffer>), close: () => socket.close() });
    };
    socket.onmessage = (event) => {
      if (event.data instanceof ArrayBuffer) events.bytes(new Uint8Array(event.data));
      else socket.close(1003);
    };
    socket.onclose = () => {
      clearTimeout(timer);
      open ? events.closed() : refuse();
    };
  });
}

async function connectNode(target: URL, options: ConnectOptions, events: WireEvents): Promise<Wire> {
  const { WebSocket } = await import(/* @vite-ignore */ 'ws');
  const tls = await import(/* @vite-ignore */ 'node:' + 'tls') as typeof import('node:tls');
  const pin = options.pin?.toLowerCase().replace(/^sha256:/, '').replace(/:/g, '');
  if (pin !== undefined && !/^[0-9a-f]{64}$/.test(pin))
    throw new FlashError('invalid-argument', 'a pin is sha256: and 64 hexadecimal digits');
  return new Promise((resolve, reject) => {
    let refused: FlashError | undefined;
    let connecting: import('node:tls').TLSSocket | undefined;
    const socket = new WebSocket(target, {
      perMessageDeflate: false, maxPayload: 1 << 28,
      // Nothing is sent before the certificate has been looked at.
      createConnection: ((wanted: import('node:tls').ConnectionOptions & { host?: string; port?: number }) => {
        const connection = tls.connect({
          host: wanted.host, port: Number(wanted.port), ALPNProtocols: ['http/1.1'], minVersion: 'TLSv1.3',
          servername: /^[\d.]+$|:/.test(wanted.host ?? '') ? '' : wanted.host,
          ca: options.ca, rejectUnauthorized: pin === undefined,
        });
        connecting = connection;
        connection.once('secureConnect', () => {
          if (pin === undefined) return;
          const seen = connection.getPeerCertificate().fingerprint256.replace(/:/g, '').toLowerCase();
          if (seen === pin) return;
          refused = new FlashError('network',
            `the certificate of ${target.host} is not trusted: it is not the pinned one, but sha256:${seen}`);
          connection.destroy(refused);
        });
        return connection;
      }) as never,
    });
    socket.binaryType = 'nodebuffer';
    let open = false;
    // From the start on: the package's own limit does not see a connection that it has not made.
    const timer = setTimeout(() => {
      refused = new FlashError('timeout', `${target.host} did not answer within ${options.timeout} ms`);
      connecting?.destroy(refused);
      socket.terminate();
    }, options.timeout);
    socket.on('open', () => {
      open = true;
      clearTimeout(timer);
      resolve({ send: (bytes) => socket.send(bytes), close: () => socket.close() });
    });
    socket.on('message', (data: Buffer, binary: boolean) => {
      if (binary) events.bytes(new Uint8Array(data.buffer, data.byteOffset, data.byteLength));
      else socket.close(1003);
    });
    socket.on('error', (error: Error) => {
      if (!open) reject(refused ?? new FlashError('network', `cannot connect to ${target.host}: ${error.message}`));
    });
    socket.on('close', () => {
      clearTimeout(timer);
      if (open) events.closed();
      else reject(refused ?? new FlashError('network', `cannot connect to ${target.host}: the connection was closed`));
    });
  });
}
