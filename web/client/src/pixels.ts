// From what a page has to pixels: as the native client decodes files, so without colour profiles and orientation. Where a
// picture is transparent a canvas tells other colours than the file has.
import { FlashError } from './errors.js';
import type { Input, Pixels } from './types.js';

export async function pixelsOf(input: Exclude<Input, Float32Array>): Promise<Pixels> {
  if ('data' in input) {
    const { data, width, height } = input, wanted = 4 * width * height;
    if (data.byteLength !== wanted)
      throw new FlashError('invalid-argument', `the picture has ${data.byteLength} bytes, where ${width} x ${height} pixels of ` +
        `red, green, blue and alpha have ${wanted}`);
    return input;
  }
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
  if (bitmap !== input) bitmap.close();
  return context.getImageData(0, 0, canvas.width, canvas.height);
}
