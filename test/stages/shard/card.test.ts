/** What explains the shards: the card, the sidecar file, the page of the stage, the figures of the manifest. */
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { beforeAll, describe, expect, it } from "vitest";
import { parse } from "yaml";
import { openArtifact } from "../../../src/artifacts/index.js";
import { IMAGE_TABLE, ROW_TABLE } from "../../../src/stages/shard/columns.js";
import { shardOptionsSchema } from "../../../src/stages/shard/options.js";
import { packageRoot } from "../../../src/trainer-process/index.js";
import { METADATA, makeReaderWorld, type ReaderWorld } from "../../readers/world.js";
import { makeWorld, runStage } from "./world.js";

let world: ReaderWorld;
let card: string;
beforeAll(async () => {
  world = await makeReaderWorld();
  card = await readFile(join(world.directory, "README.md"), "utf8");
});

describe("the dataset card", () => {
  it("begins with what the hub reads, the licence to be filled in", () => {
    const front = /^---\n([\s\S]*?)\n---\n/.exec(card)![1]!;
    expect(parse(front)).toMatchObject({
      license: "unknown",
      configs: [
        {
          config_name: "rows",
          default: true,
          data_files: [
            { split: "train", path: "rows/train-*.arrow" },
            { split: "validation", path: "rows/validation-*.arrow" },
          ],
        },
        { config_name: "images", data_files: [{ split: "train", path: "images/images-*.arrow" }] },
      ],
    });
    expect(front).toMatch(/^# Say under which licence/m);
  });

  it("says where the rows come from, with counts by reason, and what target they were made with", () => {
    expect(card).toContain("| import (dialogues) | rows of the source files | 44 | 40 | image-missing 4 |");
    expect(card).toContain("| tokenize (rows) | turns | 44 | 40 | image-missing 4 |");
    expect(card).toContain("| shard | rows | 40 | 40 | none |");
    expect(card).toContain("| model directory | Qwen3-VL-8B-Instruct |");
    for (const print of ["c", "d", "e"]) expect(card).toContain(`\`${print.repeat(64)}\``);
    // A text of the user ends no cell and no line.
    expect(card).toMatch(/\| system prompt \| .*You operate \\\| a computer\..*\|/);
    expect(card).not.toContain("/models/");
  });

  it("has the same bytes for the same input, and is no part of the manifest", async () => {
    const again = await makeReaderWorld();
    expect(await readFile(join(again.directory, "README.md"), "utf8")).toBe(card);
    const { manifest } = await openArtifact(world.directory, "shards", { verify: true });
    expect(manifest.files.map(({ path }) => path)).not.toContain("README.md");
    await writeFile(join(again.directory, "README.md"), card.replace("license: unknown", "license: cc-by-4.0"));
    await expect(openArtifact(again.directory, "shards", { verify: true })).resolves.toBeDefined();
  });

  it("carries the licence that an option names, and no other text", async () => {
    const { workDir } = await runStage(await makeWorld({ dialogues: 6, images: 6 }), { license: "cc-by-4.0" });
    expect(await readFile(join(workDir, "README.md"), "utf8")).toMatch(/^license: cc-by-4\.0$/m);
    expect(shardOptionsSchema.safeParse({ license: "mine\nconfigs: []" }).success).toBe(false);
  });
});

describe("draftsmith.json", () => {
  it("holds the metadata of the schema, the columns and the figures of the splits", async () => {
    const sidecar = JSON.parse(await readFile(join(world.directory, "draftsmith.json"), "utf8")) as Record<
      string,
      unknown
    >;
    expect(sidecar).toMatchObject({
      schemaVersion: 1,
      metadata: METADATA,
      images: { count: 24, files: expect.arrayContaining(["images/images-00000-of-00003.arrow"]) },
      columns: { rows: { input_ids: { type: "List<Int32>" } }, images: { image: { meaning: expect.any(String) } } },
    });
    const { manifest } = await openArtifact(world.directory, "shards");
    expect(manifest.facts.splits).toEqual(sidecar.splits);
  });

  it("counts rows and tokens by length", async () => {
    const { manifest } = await openArtifact(world.directory, "shards");
    const { splits } = manifest.facts as { splits: Record<string, Record<string, unknown>> };
    for (const split of ["train", "heldout"] as const) {
      const rows = world.rows[split];
      const lengths = rows.map(({ inputIds }) => inputIds.length);
      const { tokens, supervised } = splits[split] as Record<
        string,
        { total: number; max: number; mean: number; bins: Bin[] }
      >;
      expect(tokens!.total).toBe(lengths.reduce((a, b) => a + b, 0));
      expect(tokens!.max).toBe(Math.max(...lengths));
      expect(tokens!.mean).toBeCloseTo(tokens!.total / rows.length, 1);
      for (const { from, to, count } of tokens!.bins) {
        expect(count).toBe(lengths.filter((length) => from <= length && length < to).length);
      }
      expect(supervised!.total).toBe(6 * rows.length);
    }
  });
});

interface Bin {
  from: number;
  to: number;
  count: number;
}

it("the stage's page has the tables of the code", async () => {
  const page = await readFile(join(packageRoot(), "src/stages/shard/README.md"), "utf8");
  const between = (name: string) => new RegExp(`<!-- ${name} -->\\n([\\s\\S]*?)\\n<!-- /${name} -->`).exec(page)?.[1];
  expect(between("rows")).toBe(ROW_TABLE);
  expect(between("images")).toBe(IMAGE_TABLE);
});
