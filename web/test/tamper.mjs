// A server that does not keep to the protocol: a real one, with something between it and the page that changes frames
// of one kind on their way down.
import { readFileSync } from 'node:fs';
import { createServer } from 'node:https';
import { join, dirname } from 'node:path';
import { WebSocket, WebSocketServer } from 'ws';

const headerBytes = 16;

/** change(frame): of this type of message, with its header; it has the server's own certificate. */
export async function tamper(server, type, change) {
  const cert = readFileSync(server.certificate), key = readFileSync(join(dirname(server.certificate), 'server.key'));
  const https = createServer({ cert, key });
  const sockets = new WebSocketServer({ server: https }), ends = new Set();
  sockets.on('connection', (page) => {
    const real = new WebSocket(`${server.address}/v2/frames`, { ALPNProtocols: ['http/1.1'], rejectUnauthorized: false });
    const open = new Promise((done) => real.on('open', done));
    page.on('message', (bytes) => open.then(() => real.send(bytes)));
    let rest = Buffer.alloc(0);
    real.on('message', (bytes) => {
      rest = Buffer.concat([rest, bytes]);
      for (let size; rest.length >= headerBytes && rest.length >= (size = headerBytes + rest.readUInt32LE(0));) {
        const frame = Buffer.from(rest.subarray(0, size));
        rest = rest.subarray(size);
        if (frame.readUInt16LE(4) === type) change(frame);
        page.send(frame);
      }
    });
    for (const [one, other] of [[page, real], [real, page]]) {
      ends.add(one);
      one.on('close', () => other.close());
      one.on('error', () => other.close());
    }
  });
  await new Promise((done) => https.listen(0, '127.0.0.1', done));
  return {
    address: `wss://127.0.0.1:${https.address().port}`,
    stop: () => {
      for (const end of ends) end.terminate();
      https.close();
      https.closeAllConnections();
    },
  };
}
