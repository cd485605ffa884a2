/** Pictures that compress as real screenshots do, for benchmarks. */
import sharp from "sharp";

/** A desktop: windows of flat colour, lines of text-like specks, a photograph in a corner. */
export async function screenshot(seed: number): Promise<Buffer> {
  const [width, height] = [1920, 1080];
  const data = Buffer.alloc(width * height * 3, 236);
  let state = seed + 1;
  const next = (below: number) => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return Math.floor((state / 2 ** 32) * below);
  };
  const fill = (x: number, y: number, w: number, h: number, colour: () => number) => {
    for (let row = y; row < Math.min(height, y + h); row += 1) {
      for (let column = x; column < Math.min(width, x + w); column += 1) {
        for (let channel = 0; channel < 3; channel += 1) data[(row * width + column) * 3 + channel] = colour();
      }
    }
  };
  for (let window = 0; window < 8; window += 1) {
    const shade = next(256);
    fill(next(1500), next(900), 200 + next(700), 100 + next(500), () => shade);
  }
  for (let line = 0; line < 50; line += 1) {
    for (let word = 0, x = 40 + next(400); word < 60; word += 1, x += 9)
      fill(x, 20 + 20 * line, 2 + next(5), 9, () => 30);
  }
  fill(1300, 600, 500, 400, () => 90 + next(60));
  return sharp(data, { raw: { width, height, channels: 3 } })
    .png({ compressionLevel: 6 })
    .toBuffer();
}
