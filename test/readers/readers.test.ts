/** Shards open in the libraries that people have: the real ones, streaming included, and by the page's own examples. */
import { execFile } from "node:child_process";
import { cp, readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import { beforeAll, describe, expect, it } from "vitest";
import { SPLIT_IN_FILES, SPLITS, type SplitName, type TokenRow, toStored } from "../../src/artifacts/index.js";
import { packageRoot } from "../../src/trainer-process/index.js";
import { scratchDirectory } from "../scratch/scratch.js";
import { METADATA, makeReaderWorld, type Picture, type ReaderWorld } from "./world.js";

const python = process.env.DRAFTSMITH_READERS_PYTHON ?? "";
const why = " (skipped: npm test makes the environment, or DRAFTSMITH_READERS_PYTHON=$(node src/setup/readers.mjs))";
/** Importing datasets or polars takes seconds on a busy machine. */
const SLOW = { timeout: 180_000 };

interface Seen {
  rows: Record<string, Record<string, unknown>[]>;
  images: Record<string, unknown>[];
  metadata?: unknown[];
  features?: Record<string, string>;
  together?: number;
}

async function runPython(args: string[]): Promise<string> {
  // Caches of load_dataset stay with the test; nothing is looked up on the network.
  const own = scratchDirectory("readers-cache");
  const env = { ...process.env, HF_HOME: own, HF_HUB_OFFLINE: "1", HF_DATASETS_OFFLINE: "1", POLARS_MAX_THREADS: "1" };
  const { stdout } = await promisify(execFile)(python, args, { env, maxBuffer: 1 << 28, cwd: own });
  return stdout;
}

async function read(directory: string, library: string): Promise<Seen> {
  return JSON.parse(await runPython([join(import.meta.dirname, "read.py"), directory, library])) as Seen;
}

function asRead(row: TokenRow): Record<string, unknown> {
  const entries = Object.entries(toStored(row));
  return Object.fromEntries(entries.map(([name, value]) => [name, ArrayBuffer.isView(value) ? [...value] : value]));
}

describe.skipIf(python === "")(`shards open in${python === "" ? why : ""}`, () => {
  let world: ReaderWorld;
  let sorted: Picture[];
  beforeAll(async () => {
    world = await makeReaderWorld();
    const shown = new Set(
      SPLITS.flatMap((split) => world.rows[split].flatMap((row) => [...row.imageHashes, ...row.videoFrames])),
    );
    sorted = [...world.pictures.values()]
      .filter(({ hash }) => shown.has(hash))
      .sort((a, b) => (a.hash < b.hash ? -1 : 1));
  });

  const expectRows = (seen: Seen) => {
    expect(Object.keys(seen.rows).sort()).toEqual(["train", "validation"]);
    for (const split of SPLITS) {
      expect(seen.rows[SPLIT_IN_FILES[split as SplitName]]).toEqual(world.rows[split].map(asRead));
    }
  };
  const expectPictures = (seen: Seen) => {
    expect(seen.images).toHaveLength(sorted.length);
    for (const [k, { hash, width, height }] of sorted.entries()) {
      expect(seen.images[k]).toMatchObject({ hash, width, height, size: [width, height] });
    }
  };

  it.each(["datasets", "datasets, streaming"])("%s: both splits by name, and decoded images", SLOW, async (library) => {
    const seen = await read(world.directory, library);
    expect(world.rows.heldout.length).toBeGreaterThan(0);
    expectRows(seen);
    expectPictures(seen);
    expect(seen.features).toMatchObject({ input_ids: "List(Value('int32'))", loss_mask: "List(Value('int8'))" });
  });

  it("datasets, without the card: splits and columns are found by the files alone", SLOW, async () => {
    const bare = join(scratchDirectory("bare"), "shards");
    await cp(world.directory, bare, { recursive: true });
    for (const name of ["README.md", "draftsmith.json", "manifest.json"]) await rm(join(bare, name));
    const script = `
import json, sys
from datasets import load_dataset
rows, images = load_dataset(sys.argv[1] + "/rows"), load_dataset("arrow", data_dir=sys.argv[1] + "/images", split="train")
whole = load_dataset(sys.argv[1])
assert {name: split.num_rows for name, split in whole.items()} == {name: split.num_rows for name, split in rows.items()}
print(json.dumps([{name: split.num_rows for name, split in rows.items()}, [list(one["image"].size) for one in images]]))`;
    const seen = JSON.parse(await runPython(["-c", script, bare])) as unknown;
    const counts = { train: world.rows.train.length, validation: world.rows.heldout.length };
    expect(seen).toEqual([counts, sorted.map(({ width, height }) => [width, height])]);
  });

  it("datasets, where nothing is held out", SLOW, async () => {
    const { directory, rows } = await makeReaderWorld({ heldoutShare: 0 });
    const seen = await read(directory, "datasets");
    expect(seen.rows).toEqual({ train: rows.train.map(asRead) });
  });

  it.each(["pyarrow", "polars", "duckdb"])("%s: rows, and the bytes of images", SLOW, async (library) => {
    const seen = await read(world.directory, library);
    expectRows(seen);
    expect(seen.images).toEqual(
      sorted.map(({ hash, width, height }) => ({ hash, image: `${hash}.png`, width, height, sha256: hash })),
    );
    if (seen.together !== undefined) expect(seen.together).toBe(world.rows.train.length + world.rows.heldout.length);
    for (const metadata of seen.metadata ?? []) expect(metadata).toEqual(METADATA);
  });

  describe("the page's own examples:", () => {
    let examples: string[];
    beforeAll(async () => {
      const page = await readFile(join(packageRoot(), "src/stages/shard/README.md"), "utf8");
      examples = [...page.matchAll(/```python\n([\s\S]*?)```/g)].map(([, code]) => code!);
    });

    it.each([0, 1, 2, 3, 4])("number %i runs and prints what it read", SLOW, async (k) => {
      expect(examples).toHaveLength(5);
      const file = join(scratchDirectory("example"), "example.py");
      await writeFile(file, `DIR = ${JSON.stringify(world.directory)}\n${examples[k]!}`);
      const printed = await runPython([file]);
      const [row] = world.rows.train;
      const first = sorted[0]!;
      const wanted = [
        [
          `num_rows: ${world.rows.train.length}`,
          "qwen3_vl",
          JSON.stringify([...row!.responseSpans.slice(0, 2)]).replace(",", ", "),
        ],
        [`${row!.dialogueId} 0 ${row!.inputIds.length}`, `${first.hash} (${first.width}, ${first.height})`],
        [`${world.rows.train.length + world.rows.heldout.length} 1 `, ".png"],
        [
          `${world.rows.train.length} shape: (${world.rows.train.reduce((sum, { imageHashes }) => sum + imageHashes.length, 0)}, `,
        ],
        ["('dialogue-0', 0, 1, '"],
      ][k]!;
      for (const text of wanted) expect(printed).toContain(text);
    });
  });
});
