/** Options inside others that name files: `draft.config` is resolved, checked and fingerprinted as `model` is. */
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { z } from "zod";
import { changeOption, optionAt } from "../../src/pipeline/nested-options.js";
import { parseOptions } from "../../src/pipeline/options.js";
import { namedPaths } from "../../src/pipeline/paths.js";
import { draftsmith } from "../cli/command.js";
import { scratchDirectory } from "../scratch/scratch.js";
import { TINY_GUI } from "../tokens/reference.js";

describe("options by dotted name", () => {
  const options = { model: "m", draft: { config: "c.json", layers: null }, list: ["a"] };

  it("are found, or not", () => {
    expect(
      ["model", "draft.config", "draft.layers", "draft.none", "model.x", "list.0"].map((name) =>
        optionAt(options, name),
      ),
    ).toEqual(["m", "c.json", null, undefined, undefined, undefined]);
  });

  it("are changed in a copy, and taken away", () => {
    const upper = (value: unknown) => String(value).toUpperCase();
    expect(changeOption(options, "draft.config", upper)).toEqual({
      ...options,
      draft: { config: "C.JSON", layers: null },
    });
    expect(changeOption(options, "draft.config", () => undefined)).toEqual({ ...options, draft: { layers: null } });
    for (const name of ["draft.none", "none.x", "list.x", "model.x"]) {
      expect(changeOption(options, name, upper), name).toEqual(options);
    }
    expect(options.draft.config).toBe("c.json");
  });

  it("become absolute and are checked as files", () => {
    const owner = {
      options: z.strictObject({ draft: z.strictObject({ config: z.string().nullable().default(null) }).prefault({}) }),
      fileOptions: { "draft.config": "file" as const },
    };
    const parsed = parseOptions(owner, { draft: { config: "shape.json" } }, "/home/u");
    expect(parsed).toEqual({ options: { draft: { config: "/home/u/shape.json" } } });
    expect(namedPaths(owner, { draft: { config: "/home/u/shape.json" } })).toEqual([
      { place: "draft.config", text: "/home/u/shape.json", kind: "file", isNeutral: false },
    ]);
    expect(parseOptions(owner, {}, "/home/u")).toEqual({ options: { draft: { config: null } } });
    expect(namedPaths(owner, { draft: { config: null } })).toEqual([]);
  });
});

describe("a pipeline with draft.config", () => {
  it("is told before anything runs where the file is missing or a directory", async () => {
    const root = scratchDirectory("nested");
    const pipeline = (config: string) => {
      const file = join(root, "p.yaml");
      const steps = {
        shard: { uses: "shard", in: { rows: "tokenize", dialogues: "import" } },
        tokenize: { uses: "tokenize", in: { generations: "raw" }, with: { model: TINY_GUI } },
        raw: { uses: "regenerate", in: { dialogues: "import" }, with: { servers: ["http://127.0.0.1:9"] } },
        import: { uses: "import", with: { source: [join(root, "d.jsonl")] } },
        train: { uses: "train", in: { shards: "shard" }, with: { model: TINY_GUI, draft: { config } } },
      };
      writeFileSync(file, JSON.stringify({ name: "p", steps }));
      writeFileSync(join(root, "d.jsonl"), "");
      return draftsmith(root, "run", file, "--dry-run", "--workspace", join(root, "w"));
    };
    mkdirSync(join(root, "folder"));
    expect((await pipeline("none.json")).stdout).toContain(`note: ${join(root, "none.json")} does not exist`);
    expect((await pipeline("folder")).stdout).toMatch(/note: \S+folder is a directory/);
  }, 60_000);
});
