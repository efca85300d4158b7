// A message of the live channel, and the colours in which its masks are shown.

// DAVIS' colours: the bits of an id, from the highest bits of the channels down; brighter, as in overlay videos.
export function colourOf(id) {
  const rgb = [0, 0, 0];
  for (let bit = 0, rest = id; bit < 8; bit++, rest >>= 3)
    for (let channel = 0; channel < 3; channel++) rgb[channel] |= ((rest >> channel) & 1) << (7 - bit);
  return rgb.map((value) => Math.min(255, Math.round(1.9 * value)));
}

export async function opened(buffer) {
  const view = new DataView(buffer);
  const text = view.getUint32(0, true), picture = view.getUint32(4, true);
  const numbers = JSON.parse(new TextDecoder().decode(new Uint8Array(buffer, 8, text)));
  const exact = { colorSpaceConversion: "none", premultiplyAlpha: "none" };
  const [image, plane] = await Promise.all([
    createImageBitmap(new Blob([new Uint8Array(buffer, 8 + text, picture)], { type: "image/jpeg" })),
    createImageBitmap(new Blob([new Uint8Array(buffer, 8 + text + picture)], { type: "image/png" }), exact),
  ]);
  const canvas = new OffscreenCanvas(plane.width, plane.height);
  const context = canvas.getContext("2d", { willReadFrequently: true });
  context.drawImage(plane, 0, 0);
  const pixels = context.getImageData(0, 0, plane.width, plane.height).data;
  const labels = new Uint8Array(plane.width * plane.height);
  for (let i = 0; i < labels.length; i++) labels[i] = pixels[4 * i];
  plane.close();
  return { numbers, image, labels, width: canvas.width, height: canvas.height };
}
