// What passes between client and server, as it does.
import type { Frame, Model } from 'flash-client';

const contents: Record<string, string> = {
  'client-hello': 'version, name of the model, token',
  start: 'public keys, a random number',
  upload: 'ciphertexts of the picture and of shares',
  'product-response': 'ciphertexts: halves of products of shares',
  finish: 'nothing',
  error: 'a sentence',
};
const shownFrames = 200;

interface Row {
  up: number;
  down: number;
  /** By the client's clock: from the first linear response to the last message. */
  began: number | undefined;
  ended: number;
  row: HTMLTableRowElement;
}

export class ProtocolView {
  private rows: Row[] = [];
  private most = 1;
  private reachedLayer = 0;
  private sent = 0;
  private received = 0;
  private began = 0;
  private ended: number | undefined;
  private readonly kinds = new Map<string, { frames: number; bytes: number }>();
  private readonly counts = new Uint32Array(256);
  private counted = 0;
  private last: Frame[] = [];
  private drawing = false;

  constructor(private readonly element: (id: string) => HTMLElement) {}

  /** Before an inference. */
  begin(model: Model): void {
    this.most = Math.max(1, ...model.layers.map((layer) => layer.up + layer.down));
    this.sent = this.received = this.reachedLayer = 0;
    this.began = performance.now();
    this.ended = undefined;
    this.rows = model.layers.map((layer) => {
      const row = document.createElement('tr');
      row.className = 'waiting';
      row.innerHTML = '<td></td><td class="number"></td><td class="number"></td><td class="number"></td>' +
        '<td class="bars"><svg aria-hidden="true" preserveAspectRatio="none" viewBox="0 0 100 14">' +
        '<rect class="up" y="0" height="6"/><rect class="down" y="8" height="6"/></svg></td>';
      row.cells[0].textContent = `${layer.name || 'layer'} (${layer.output.join('x')})`;
      return { up: 0, down: 0, began: undefined, ended: 0, row };
    });
    this.element('layers').replaceChildren(...this.rows.map(({ row }) => row));
    this.draw();
  }
  add(frames: Frame[]): void {
    for (const frame of frames) {
      const sent = frame.direction === 'sent';
      if (sent) this.sent += frame.bytes;
      else this.received += frame.bytes;
      const row = frame.name === 'upload' || frame.name === 'product-response' || frame.name === 'linear-response' ||
        frame.name === 'server-vectors' || frame.name === 'result-share' ? this.rows[frame.layer] : undefined;
      if (row) {
        row[sent ? 'up' : 'down'] += frame.bytes;
        if (frame.name === 'linear-response') row.began ??= frame.time;
        if (row.began !== undefined) row.ended = frame.time;
      }
      if (!sent) continue;
      const kind = this.kinds.get(frame.name) ?? { frames: 0, bytes: 0 };
      kind.frames += 1;
      kind.bytes += frame.bytes;
      this.kinds.set(frame.name, kind);
      if (frame.name === 'upload' || frame.name === 'product-response')
        for (const byte of frame.head) {
          this.counts[byte] += 1;
          this.counted += 1;
        }
    }
    this.last = [...this.last, ...frames].slice(-shownFrames);
    this.schedule();
  }
  reached(fraction: number): void {
    this.reachedLayer = Math.max(Math.round(fraction * this.rows.length), this.reachedLayer);
    this.schedule();
  }
  /** After an inference, with an answer or without. */
  end(answered: boolean): void {
    this.ended = performance.now();
    if (answered) this.reachedLayer = this.rows.length;
    this.draw();
  }

  private schedule(): void {
    if (this.drawing) return;
    this.drawing = true;
    requestAnimationFrame(() => {
      this.drawing = false;
      this.draw();
    });
  }
  private draw(): void {
    const count = (value: number) => value.toLocaleString('en');
    this.rows.forEach(({ up, down, began, ended, row }, layer) => {
      row.className = layer < this.reachedLayer ? '' : layer === this.reachedLayer && up + down > 0 ? 'now' : 'waiting';
      row.cells[1].textContent = up ? count(up) : '';
      row.cells[2].textContent = down ? count(down) : '';
      row.cells[3].textContent = layer < this.reachedLayer && began !== undefined ? (ended - began).toFixed(0) : '';
      const [above, below] = row.querySelectorAll('rect');
      above.setAttribute('width', String((100 * up) / this.most));
      below.setAttribute('width', String((100 * down) / this.most));
    });
    const totals = this.element('totals');
    totals.innerHTML = '<span class="sent">up <b></b></span><span class="received">down <b></b></span><span>since the start <b></b></span>';
    const [up, down, time] = totals.querySelectorAll('b');
    up.textContent = `${count(this.sent)} bytes`;
    down.textContent = `${count(this.received)} bytes`;
    time.textContent = `${(((this.ended ?? performance.now()) - this.began) / 1000).toFixed(2)} s`;

    this.element('kinds').replaceChildren(...[...this.kinds].map(([name, { frames, bytes }]) =>
      row([name, count(frames), count(bytes), contents[name] ?? ''], ['', 'number', 'number', ''])));
    this.element('frames').replaceChildren(...this.last.slice().reverse().map((frame) =>
      row([frame.time.toFixed(0), `${frame.direction === 'sent' ? '↑' : '↓'} ${frame.name}`, String(frame.layer),
        count(frame.bytes), hex(frame)], ['number', frame.direction, 'number', 'number', 'bytes'])));
    this.element('entropy').textContent = this.counted < 4096 ? 'too few were sent yet to tell'
      : `${this.entropy().toFixed(3)} bits of entropy a byte, over ${count(this.counted)} of them (8 at most)`;
  }
  /** Shannon's, of single bytes, with Miller's correction for the size of the sample. */
  private entropy(): number {
    let sum = 0, seen = 0;
    for (const number of this.counts) {
      if (number === 0) continue;
      const p = number / this.counted;
      sum -= p * Math.log2(p);
      seen += 1;
    }
    return Math.min(8, sum + (seen - 1) / (2 * this.counted * Math.LN2));
  }
}

/** A hello may hold a token, so its payload is not shown. */
function hex(frame: Frame): string {
  if (frame.name === 'client-hello') return '(not shown: it may hold a token)';
  return [...frame.head.subarray(0, 24)].map((byte) => byte.toString(16).padStart(2, '0')).join(' ');
}

function row(texts: string[], classes: string[]): HTMLTableRowElement {
  const made = document.createElement('tr');
  texts.forEach((text, i) => {
    const cell = made.insertCell();
    cell.textContent = text;
    cell.className = classes[i];
  });
  return made;
}
