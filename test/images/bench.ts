/**
 * How fast pictures become canonical: against bare sharp doing the same work on the pixels, and against Pillow at the same
 * PNG level, all in one run on one core. Run it with `npx tsx test/images/bench.ts [pictures]`. 1080p to 1280x704.
 */
import { spawnSync } from "node:child_process";
import { rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { monitorEventLoopDelay } from "node:perf_hooks";
import sharp from "sharp";
import { canonicalise, DEFAULT_LIMITS } from "../../src/images/index.js";
import { trainerEnvironment } from "../../src/trainer-process/index.js";
import { scratchDirectory } from "../scratch/scratch.js";
import { findReference } from "../tokens/reference.js";
import { screenshot } from "./screenshot.js";

const count = Number(process.argv[2] ?? "60");
const ROUNDS = 5;
const size = { width: 1280, height: 704 };
const options = { limits: DEFAULT_LIMITS, flattenColour: "#ffffff", targetSize: () => size };
sharp.concurrency(1);
sharp.cache(false);

async function seconds(work: () => Promise<unknown>): Promise<number> {
  const cpu = process.cpuUsage();
  await work();
  const { user, system } = process.cpuUsage(cpu);
  return (user + system) / 1e6;
}

const bare = (bytes: Buffer, compressionLevel: number) =>
  sharp(bytes, { failOn: "warning", autoOrient: true })
    .flatten({ background: "#ffffff" })
    .toColourspace("srgb")
    .resize(size.width, size.height, { fit: "fill", kernel: "cubic", fastShrinkOnLoad: false })
    .png({ compressionLevel, adaptiveFiltering: false, palette: false })
    .toBuffer();

/** Prints seconds of CPU for all pictures; started once, warmed up before it counts. */
const PILLOW = `
import io, sys, time
from pathlib import Path
from PIL import Image, ImageOps
files = [path.read_bytes() for path in sorted(Path(sys.argv[1]).iterdir())]
def work(file, level):
    picture = ImageOps.exif_transpose(Image.open(io.BytesIO(file))).convert("RGB")
    out = io.BytesIO()
    picture.resize((${size.width}, ${size.height}), Image.Resampling.BICUBIC).save(out, "PNG", compress_level=level)
for level in map(int, sys.argv[2:]):
    work(files[0], level)
    begun = time.process_time()
    for file in files:
        work(file, level)
    print(level, time.process_time() - begun)
`;

const pictures = await Promise.all(Array.from({ length: Math.min(count, 8) }, (_, seed) => screenshot(seed)));
const files = Array.from({ length: count }, (_, at) => pictures[at % pictures.length]!);
const best = { ours: Number.POSITIVE_INFINITY, same: Number.POSITIVE_INFINITY, quick: Number.POSITIVE_INFINITY };
await canonicalise(files[0]!, options);
for (let round = 0; round < ROUNDS; round += 1) {
  // In turns, so that whatever else the machine does meets all of them.
  best.ours = Math.min(
    best.ours,
    await seconds(async () => {
      for (const file of files) await canonicalise(file, options);
    }),
  );
  best.same = Math.min(
    best.same,
    await seconds(async () => {
      for (const file of files) await bare(file, 4);
    }),
  );
  best.quick = Math.min(
    best.quick,
    await seconds(async () => {
      for (const file of files) await bare(file, 1);
    }),
  );
}
const rate = (used: number) => count / used;
const show = (name: string, used: number) =>
  console.log(`${name.padEnd(44)} ${rate(used).toFixed(1).padStart(7)} images per CPU second`);
show("ours, 1080p to 1280x704, PNG level 4", best.ours);
show("bare sharp, the same work, PNG level 4", best.same);
show("bare sharp, PNG level 1", best.quick);
console.log(`ours / bare sharp: ${(best.same / best.ours).toFixed(2)}`);

const delay = monitorEventLoopDelay({ resolution: 2 });
delay.enable();
const begun = performance.now();
const waiting = [...files];
await Promise.all(
  Array.from({ length: 4 }, async () => {
    for (let file = waiting.pop(); file !== undefined; file = waiting.pop()) await canonicalise(file, options);
  }),
);
const wall = (performance.now() - begun) / 1000;
delay.disable();
console.log(
  `four at once: ${(count / wall).toFixed(1)} images/s by the clock, longest pause of the event loop ${(delay.max / 1e6).toFixed(0)} ms`,
);

const python = await findReference();
if ("missing" in python) console.log(`Pillow not measured: ${python.missing}`);
else {
  const directory = scratchDirectory("bench-pictures");
  for (const [at, file] of files.entries())
    await writeFile(join(directory, `${String(at).padStart(4, "0")}.png`), file);
  const output = spawnSync(python.executable, ["-c", PILLOW, directory, "1", "4"], {
    env: trainerEnvironment(),
    encoding: "utf8",
  });
  if (output.status !== 0) throw new Error(output.stderr);
  for (const line of output.stdout.trim().split("\n")) {
    const [level, used] = line.split(" ").map(Number) as [number, number];
    show(`Pillow, PNG level ${level}`, used);
    console.log(`ours / Pillow at level ${level}: ${(used / best.ours).toFixed(2)}`);
    if (level === 1) console.log(`bare sharp at level 1 / Pillow at level 1: ${(used / best.quick).toFixed(2)}`);
  }
  await rm(directory, { recursive: true });
}
