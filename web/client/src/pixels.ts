// From what a page has to pixels: as the native client decodes files, so without colour profiles, orientation and
// premultiplied alpha.
import { FlashError } from './errors.js';
import type { Input, Pixels } from './types.js';

export async function pixelsOf(input: Exclude<Input, Float32Array>): Promise<Pixels> {
  if ('data' in input) return input;
  let bitmap: ImageBitmap;
  try {
    bitmap = input instanceof Blob
      ? await createImageBitmap(input, { colorSpaceConversion: 'none', imageOrientation: 'none', premultiplyAlpha: 'none' })
      : input;
  } catch {
    throw new FlashError('file', 'this is no picture that the browser can read');
  }
  const canvas = new OffscreenCanvas(bitmap.width, bitmap.height);
  const context = canvas.getContext('2d', { willReadFrequently: true })!;
  context.drawImage(bitmap, 0, 0);
  return context.getImageData(0, 0, bitmap.width, bitmap.height);
}
