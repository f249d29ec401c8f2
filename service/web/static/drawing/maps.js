// The service's maps: a grey picture on a fixed scale -> values, and values -> colours that mean the same on every frame.

// Stops of matplotlib's inferno, from dark to bright.
const INFERNO = [
  [0, 0, 3], [32, 12, 74], [87, 15, 109], [137, 34, 105], [187, 55, 84], [228, 90, 49], [249, 142, 8], [248, 203, 52], [252, 254, 164],
];
// Below this share of the scale the colour fades out, so that the photograph stays in sight where there is nothing to say.
const FADE = 0.25;
const COLOURS = Uint8ClampedArray.from(Array.from({ length: 256 }, (_, step) => colour(step / 255)).flat());

function colour(share) {
  const at = share * (INFERNO.length - 1);
  const lower = Math.min(Math.floor(at), INFERNO.length - 2);
  const mixed = INFERNO[lower].map((from, channel) => from + (at - lower) * (INFERNO[lower + 1][channel] - from));
  return [...mixed, 255 * Math.min(1, share / FADE)];
}

/** A map of the reply as {width, height, bytes, minimum, maximum, unit}: byte 0 stands for the minimum, 255 for the maximum. */
export async function decode(map) {
  const file = Uint8Array.from(atob(map.data), (letter) => letter.charCodeAt(0));
  const bitmap = await createImageBitmap(new Blob([file], { type: "image/png" }), { colorSpaceConversion: "none" });
  const canvas = new OffscreenCanvas(map.width, map.height);
  const context = canvas.getContext("2d", { willReadFrequently: true });
  context.drawImage(bitmap, 0, 0);
  const { data } = context.getImageData(0, 0, map.width, map.height);
  const bytes = Uint8Array.from({ length: map.width * map.height }, (_, pixel) => data[4 * pixel]);
  const { width, height, minimum, maximum, unit } = map;
  return { width, height, bytes, minimum, maximum, unit };
}

/** The map in colours, on a canvas of the map's size. */
export function paint({ width, height, bytes }) {
  const canvas = new OffscreenCanvas(width, height);
  const pixels = new ImageData(width, height);
  bytes.forEach((step, pixel) => pixels.data.set(COLOURS.subarray(4 * step, 4 * step + 4), 4 * pixel));
  canvas.getContext("2d").putImageData(pixels, 0, 0);
  return canvas;
}

/** Every colour of the scale, once. */
export function paintLegend(canvas) {
  canvas.getContext("2d").putImageData(new ImageData(new Uint8ClampedArray(COLOURS), 256, 1), 0, 0);
}
