/** `draftsmith draft-config` and the files in configs/draft: the layer rule reproduces every one. */
import { execFile } from "node:child_process";
import { readdirSync, readFileSync } from "node:fs";
import { cp, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import { describe, expect, it } from "vitest";
import type { JsonObject } from "../../src/base/index.js";
import { draftConfigText, type RotaryMode } from "../../src/model/index.js";
import { packageRoot, trainerEnvironment } from "../../src/trainer-process/index.js";
import { draftsmith } from "../cli/command.js";
import { scratchDirectory } from "../scratch/scratch.js";
import { findReference, TINY_GUI } from "../tokens/reference.js";

const CONFIGS = join(packageRoot(), "configs", "draft");
const targetOf = (name: string): string => join(packageRoot(), "test", "model", "targets", name);

const TARGETS = [
  ["qwen3-vl-8b-dflash-vlm", "qwen3-vl-8b-instruct", [3, 10, 18, 25, 32]],
  ["qwen3-vl-30b-a3b-dflash-vlm", "qwen3-vl-30b-a3b-thinking", [3, 13, 24, 34, 44]],
  ["qwen3.5-9b-dflash-vlm", "qwen3.5-9b", [1, 8, 15, 22, 29]],
  ["qwen3.5-35b-a3b-dflash-vlm", "qwen3.5-35b-a3b", [1, 10, 19, 28, 37]],
] as const;
/** The name `8layer` is the published one; those files have five layers. */
const DEPTHS = [
  ["8layer", 5],
  ["L8", 8],
] as const;
const FILES = TARGETS.flatMap(([prefix, target, ids]) =>
  DEPTHS.flatMap(([suffix, layers]) =>
    (["mrope", "plain"] as const).map((rotary) => ({
      file: `${prefix}-${suffix}${rotary === "plain" ? "-plain" : ""}.json`,
      target,
      layers,
      rotary,
      ids,
    })),
  ),
);

describe("configs/draft", () => {
  it("has these files and no others", () => {
    const found = readdirSync(CONFIGS).filter((file) => file.endsWith(".json"));
    expect(found.sort()).toEqual(FILES.map(({ file }) => file).sort());
  });

  it.each(FILES)("$file is what the rule gives", async ({ file, target, layers, rotary, ids }) => {
    const text = await draftConfigText(targetOf(target), { layers, rotary });
    expect(text).toBe(readFileSync(join(CONFIGS, file), "utf8"));
    const config = JSON.parse(text) as JsonObject;
    expect(config).toMatchObject({
      num_hidden_layers: layers,
      block_size: 8,
      dflash_config: { target_layer_ids: ids },
    });
  });

  it("gives Qwen3.6 the config of Qwen3.5-35B-A3B, and Qwen3.8-27B one of its own", async () => {
    const text = await draftConfigText(targetOf("qwen3.6-35b-a3b"), { rotary: "plain" });
    expect(text).toBe(readFileSync(join(CONFIGS, "qwen3.5-35b-a3b-dflash-vlm-8layer-plain.json"), "utf8"));
    const dense = JSON.parse(await draftConfigText(targetOf("qwen3.8-27b"), { rotary: "plain" })) as JsonObject;
    expect(dense).toMatchObject({
      num_target_layers: 64,
      dflash_config: { mask_token_id: 248070, target_layer_ids: [1, 16, 31, 46, 61] },
    });
  });
});

const reference = await findReference();
const python = "executable" in reference ? reference.executable : null;

describe("the trainer", () => {
  const SCRIPT = `
import json, sys
from pathlib import Path
from draftsmith_trainer.algorithms.settings import config_json, new_config
from draftsmith_trainer.draft.options import DraftOptions
from draftsmith_trainer.target.spec import read_spec
made = [config_json(new_config(DraftOptions(layers=n, block_size=b, rotary=r), read_spec(Path(d)))) for d, n, b, r in json.loads(sys.argv[1])]
print(json.dumps(made))
`;

  it.skipIf(python === null)("derives the same values in Python", async () => {
    const questions = TARGETS.flatMap(([, target]) =>
      [1, 5, 8].flatMap((layers) =>
        (["plain", "partial"] as const)
          .filter((rotary) => rotary === "plain" || target.startsWith("qwen3.5"))
          .map((rotary) => [targetOf(target), layers, 3 + layers, rotary] as [string, number, number, RotaryMode]),
      ),
    );
    questions.push([TINY_GUI, 2, 4, "plain"]);
    const { stdout } = await promisify(execFile)(python!, ["-c", SCRIPT, JSON.stringify(questions)], {
      env: trainerEnvironment(),
    });
    const wanted = JSON.parse(stdout) as JsonObject[];
    for (const [index, [dir, layers, blockSize, rotary]] of questions.entries()) {
      const config = JSON.parse(await draftConfigText(dir, { layers, blockSize, rotary })) as JsonObject;
      expect({ ...config, dtype: "float32", torch_dtype: "float32" }).toEqual(wanted[index]);
    }
  });
});

describe("the command", () => {
  it("prints the config, writes it where it is told to, and replaces no other file", async () => {
    const cwd = scratchDirectory("draft-config");
    const out = join(cwd, "draft.json");
    const small = ["--layers", "2", "--block-size", "4"];
    const first = await draftsmith(cwd, "draft-config", TINY_GUI, ...small, "--out", out);
    expect(first.code, first.stderr).toBe(0);
    expect(first.stdout).toBe(await readFile(out, "utf8"));
    const config = JSON.parse(first.stdout) as JsonObject;
    expect(config).toMatchObject({ num_hidden_layers: 2, dflash_config: { mask_token_id: 2000, block_size: 4 } });
    expect((await draftsmith(cwd, "draft-config", TINY_GUI, ...small, "--out", out)).code).toBe(0);
    const second = await draftsmith(cwd, "draft-config", TINY_GUI, "--out", "draft.json");
    expect(second.code).toBe(18);
    expect(second.stderr).toContain("--force");
    expect((await draftsmith(cwd, "draft-config", TINY_GUI, "--out", out, "--force")).code).toBe(0);
  });

  it.each([
    [["--layers", "0"], /--layers 0 is not a whole number above 0/],
    [["--block-size", "65"], /--block-size 65 is not a whole number from 2 to 64/],
    [["--rotary", "yarn"], /rotary/],
    [["--rotary", "partial"], /rotates the whole head/],
    [["--mask-token-id", "2048"], /outside the vocabulary of 2048/],
  ] as const)("refuses %j", async (flags, message) => {
    const { code, stderr } = await draftsmith(packageRoot(), "draft-config", TINY_GUI, ...flags);
    expect(code).not.toBe(0);
    expect(stderr).toMatch(message);
  });

  it("asks for a mask where no id is spare", async () => {
    const dir = scratchDirectory("full");
    await cp(TINY_GUI, dir, { recursive: true, filter: (path) => !path.endsWith(".safetensors") });
    const file = join(dir, "config.json");
    const config = JSON.parse(await readFile(file, "utf8")) as { text_config: JsonObject };
    config.text_config.vocab_size = 2000;
    await writeFile(file, JSON.stringify(config));
    await expect(draftConfigText(dir, { rotary: "plain" })).rejects.toMatchObject({
      code: "OPTIONS_INVALID",
      location: { field: "maskTokenId" },
    });
    await expect(draftConfigText(dir, { rotary: "plain", maskTokenId: 7 })).resolves.toContain('"mask_token_id": 7');
  });
});
