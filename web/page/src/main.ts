import { FlashClient, FlashError, type Answer, type Client, type Frame } from 'flash-client';
import { ProtocolView } from './protocol_view.js';

const element = <T extends HTMLElement>(id: string) => document.getElementById(id) as T;
const input = (id: string) => element<HTMLInputElement>(id).value.trim();
const preview = element<HTMLCanvasElement>('preview'), video = element<HTMLVideoElement>('video');
const classify = element<HTMLButtonElement>('classify'), cancel = element<HTMLButtonElement>('cancel');
const progress = element<HTMLProgressElement>('progress');
const view = new ProtocolView(element);

let client: Client | undefined;
let picture: Blob | undefined;
let controller: AbortController | undefined;
let attempts = 0;  // to connect: only the last one counts

const bytes = (count: number) =>
  count >= 1e6 ? `${(count / 1e6).toFixed(1)} MB` : count >= 1e3 ? `${(count / 1e3).toFixed(1)} kB` : `${count} B`;

function say(sentence: string): void {
  element('status').textContent = sentence;
}
function complain(error: unknown): void {
  const box = element('error');
  box.hidden = error === undefined;
  if (error === undefined) return;
  const known = error instanceof FlashError;
  box.textContent = known ? `${error.message[0].toUpperCase()}${error.message.slice(1)}.` : `Something went wrong: ${String(error)}`;
  box.dataset.kind = known ? error.kind : 'internal';
}
function ready(): void {
  classify.disabled = !client || !picture || controller !== undefined;
  cancel.hidden = controller === undefined;
}

function fact(name: string, value: string, code = false): HTMLElement[] {
  const term = document.createElement('dt'), text = document.createElement('dd');
  term.textContent = name;
  if (code) text.appendChild(document.createElement('code')).textContent = value;
  else text.textContent = value;
  return [term, text];
}

/** What was said of another picture, or by another server. */
function forgetAnswer(): void {
  element('classes').replaceChildren();
  for (const id of ['doubt', 'memory']) element(id).hidden = true;
}

async function connect(): Promise<void> {
  complain(undefined);
  forgetAnswer();
  element('facts').hidden = true;
  client?.close();
  client = undefined;
  ready();
  const address = input('address'), attempt = ++attempts;
  say(`Connecting to ${address} ...`);
  try {
    const made = await FlashClient.connect(address, {
      model: input('model'), token: input('token'), fingerprint: input('pin').toLowerCase(),
      onFrames: (frames: Frame[]) => {
        if (attempt === attempts) view.add(frames);
      },
    });
    if (attempt !== attempts) {
      made.close();
      return;
    }
    client = made;
  } catch (error) {
    if (attempt !== attempts) return;
    say('Not connected.');
    complain(error);
    return;
  }
  const { model } = client;
  const facts = element('facts');
  facts.replaceChildren(
    ...fact('Model', model.name), ...fact('Fingerprint', model.fingerprint, true),
    ...fact('Input', model.input.join(' x ')), ...fact('Pictures', model.takesPictures ? model.pictures.text : 'arrays only'),
    ...fact('One inference', `${bytes(model.uploadBytes)} up, ${bytes(model.downloadBytes)} down`),
    ...fact('Layers', `${model.layers.length}, ${model.activationValues.toLocaleString('en')} activations`));
  facts.hidden = false;
  view.begin(model);
  say(picture ? 'Connected.' : 'Connected. Choose a picture.');
  ready();
}

async function show(source: Blob): Promise<void> {
  const before = picture;
  picture = undefined;
  ready();
  try {
    const bitmap = await createImageBitmap(source, { imageOrientation: 'none' });
    [preview.width, preview.height] = [bitmap.width, bitmap.height];
    preview.classList.toggle('small', bitmap.width < 100);
    preview.getContext('2d')!.drawImage(bitmap, 0, 0);
  } catch {
    picture = before;
    ready();
    complain(new FlashError('file', 'this is no picture that the browser can read'));
    return;
  }
  complain(undefined);
  forgetAnswer();
  if (client && !controller) say('Connected.');
  preview.setAttribute('aria-label', 'The picture, which stays here');
  element('hint').textContent = 'Another one:';
  picture = source;
  ready();
}

async function run(): Promise<void> {
  if (!client || !picture) return;
  const asked = picture, by = client;
  complain(undefined);
  forgetAnswer();
  controller = new AbortController();
  ready();
  progress.hidden = false;
  progress.value = 0;
  say('Computing on ciphertexts ...');
  view.begin(by.model);
  try {
    const answer = await by.classify(asked, {
      signal: controller.signal,
      onProgress: (fraction) => {
        progress.value = fraction;
        view.reached(fraction);
      },
    });
    if (picture !== asked || client !== by) {
      view.end(true);
      say('The picture is another one by now.');
      return;
    }
    answered(answer);
    const memory = await by.memory(), note = element('memory');
    note.dataset.bytes = String(memory);
    note.dataset.threads = String(by.threads);
    note.textContent = `The client's memory: ${bytes(memory)}. Threads: ${by.threads}.`;
    note.hidden = false;
  } catch (error) {
    view.end(false);
    say('There is no answer.');
    complain(error);
  } finally {
    controller = undefined;
    progress.hidden = true;
    ready();
  }
}

function answered(answer: Answer): void {
  element('classes').replaceChildren(...answer.classes.slice(0, 5).map((score) => {
    const item = document.createElement('li'), name = document.createElement('span'), part = document.createElement('span');
    const meter = document.createElement('meter');
    name.textContent = score.name;
    part.textContent = `${(100 * score.probability).toFixed(1)}%`;
    meter.value = score.probability;
    meter.setAttribute('aria-label', `${score.name}: ${part.textContent}`);
    item.append(name, part, meter);
    return item;
  }));
  say(`${answer.classes[0].name}, in ${answer.seconds.toFixed(2)} s: ${bytes(answer.bytesSent)} up, ` +
    `${bytes(answer.bytesReceived)} down, ${answer.roundTrips} round trips.`);
  const doubt = element('doubt');
  doubt.hidden = answer.unreliable === '';
  doubt.textContent = `The answer is unreliable: ${answer.unreliable}.`;
  view.end(true);
}

async function camera(): Promise<void> {
  const button = element<HTMLButtonElement>('camera');
  if (!video.hidden) {
    const canvas = new OffscreenCanvas(video.videoWidth, video.videoHeight);
    canvas.getContext('2d')!.drawImage(video, 0, 0);
    stopCamera();
    await show(await canvas.convertToBlob({ type: 'image/png' }));
    return;
  }
  try {
    video.srcObject = await navigator.mediaDevices.getUserMedia({ video: { facingMode: 'environment' } });
    await video.play();
    video.hidden = false;
    preview.hidden = true;
    button.textContent = 'Take the picture';
  } catch {
    complain(new FlashError('file', 'the camera cannot be used: there is none, or the browser was told not to'));
  }
}
function stopCamera(): void {
  for (const track of (video.srcObject as MediaStream | null)?.getTracks() ?? []) track.stop();
  video.srcObject = null;
  video.hidden = true;
  preview.hidden = false;
  element('camera').textContent = 'Use the camera';
}

element('server').addEventListener('submit', (event) => {
  event.preventDefault();
  void connect();
});
element<HTMLInputElement>('file').addEventListener('change', (event) => {
  const file = (event.target as HTMLInputElement).files?.[0];
  if (file) void show(file);
});
element('camera').addEventListener('click', () => void camera());
classify.addEventListener('click', () => void run());
cancel.addEventListener('click', () => controller?.abort());

const drop = element('drop');
for (const name of ['dragenter', 'dragover'])
  drop.addEventListener(name, (event) => {
    event.preventDefault();
    drop.classList.add('over');
  });
for (const name of ['dragleave', 'drop']) drop.addEventListener(name, () => drop.classList.remove('over'));
drop.addEventListener('drop', (event) => {
  event.preventDefault();
  const file = event.dataTransfer?.files[0];
  if (file) void show(file);
});

// Served by a server of Flash, the page knows its address.
if (location.protocol === 'https:') {
  element<HTMLInputElement>('address').value = `wss://${location.host}`;
  void connect();
}
