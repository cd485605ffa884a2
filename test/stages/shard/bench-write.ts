/**
 * How fast the stage writes shards, how much memory it takes, and what a row costs on disk; beside the rate at which the
 * same disk takes the same bytes from memory in plain writes (the floor).
 * Run it with `npx tsx test/stages/shard/bench-write.ts [images]`; 4,000 images are about 1 GB.
 */
import { mkdir, open, rm, stat } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { listFiles, openRowsWriter } from "../../../src/artifacts/index.js";
import { sha256 } from "../../../src/base/index.js";
import { canonicalise, DEFAULT_LIMITS, ImageStore } from "../../../src/images/index.js";
import { screenshot } from "../../images/screenshot.js";
import { scratchDirectory } from "../../scratch/scratch.js";
import { METADATA, makeRows, makeWorld, runStage, type World } from "./world.js";

const count = Number(process.argv[2] ?? "4000");
const DRAWN = 12;
const TOKENS = 1400;
const [width, height] = [1280, 704];

/** Few pictures are drawn; the others differ from them in a byte, which nobody decodes here. */
async function fill(top: string): Promise<string[]> {
  const drawn = await Promise.all(
    Array.from({ length: DRAWN }, async (_, seed) => {
      const options = { limits: DEFAULT_LIMITS, flattenColour: "#ffffff", targetSize: () => ({ width, height }) };
      const made = await canonicalise(await screenshot(seed), options);
      if (!made.ok) throw new Error(made.reason);
      return made.png;
    }),
  );
  const store = new ImageStore(join(top, "dialogues", "images"));
  const hashes: string[] = [];
  for (let k = 0; k < count; k += 1) {
    const png = Buffer.from(drawn[k % DRAWN]!);
    png.writeUInt32BE(k, png.length - 20);
    const hash = sha256(png);
    await store.put({ hash, png });
    hashes.push(hash);
  }
  return hashes;
}

async function makeInput(): Promise<World> {
  const world = await makeWorld({ dialogues: 1, images: 1 });
  const hashes = await fill(world.top);
  const path = join(world.rows.path, "rows-00000.arrow");
  const writer = await openRowsWriter(path, METADATA);
  const size = { dialogues: count, images: count, rowsPerFile: count, tokens: TOKENS, imageBytes: 0 };
  for (const row of makeRows(size, hashes)) {
    if (row.row !== 0) continue;
    await writer.append({ ...row, imageGridThw: Int32Array.of(1, height / 16, width / 16) });
  }
  await writer.close();
  return world;
}

async function bytesIn(directory: string): Promise<Map<string, number>> {
  const sizes = new Map<string, number>();
  for (const path of await listFiles(directory)) sizes.set(path, (await stat(join(directory, path))).size);
  return sizes;
}

/** Plain writes of 1 MiB, each file synced, as the stage syncs its own. */
async function floor(sizes: ReadonlyMap<string, number>): Promise<number> {
  const directory = scratchDirectory("floor");
  const block = Buffer.alloc(1 << 20, 7);
  const start = performance.now();
  for (const [k, bytes] of [...sizes.values()].entries()) {
    const handle = await open(join(directory, String(k)), "w");
    for (let at = 0; at < bytes; at += block.length) await handle.write(block, 0, Math.min(block.length, bytes - at));
    await handle.sync();
    await handle.close();
  }
  const seconds = (performance.now() - start) / 1000;
  await rm(directory, { recursive: true });
  return seconds;
}

const world = await makeInput();
await mkdir(join(world.top, "out"));
const before = process.memoryUsage().rss;
let peak = before;
const watch = setInterval(() => {
  peak = Math.max(peak, process.memoryUsage().rss);
}, 5);
const cpu = process.cpuUsage();
const start = performance.now();
const { workDir } = await runStage(world, { heldoutShare: 0.1 });
const seconds = (performance.now() - start) / 1000;
const { user, system } = process.cpuUsage(cpu);
clearInterval(watch);
await sleep(100);

const sizes = await bytesIn(workDir);
const bytes = [...sizes.values()].reduce((a, b) => a + b, 0);
const floorSeconds = await floor(sizes);
const mb = (value: number) => (value / 1e6).toFixed(0);
const float32 = width * height * 3 * 4;
console.log(
  `${count} rows of ${TOKENS} tokens with a ${width}x${height} screenshot each: ${mb(bytes)} MB in ${sizes.size} files`,
);
const cpuSeconds = (user + system) / 1e6;
console.log(`written in ${seconds.toFixed(2)} s: ${mb(bytes / seconds)} MB/s`);
console.log(`CPU of all threads: ${cpuSeconds.toFixed(2)} s, ${mb(bytes / cpuSeconds)} MB a second`);
console.log(
  `floor, plain synced writes of as many bytes: ${floorSeconds.toFixed(2)} s: ${mb(bytes / floorSeconds)} MB/s`,
);
console.log(`memory: ${mb(before)} MB before, ${mb(peak)} MB at most`);
console.log(
  `a row: ${(bytes / count / 1e3).toFixed(0)} KB, 1/${(float32 / (bytes / count)).toFixed(1)} of its float32 pixels (${mb(float32)} MB)`,
);
