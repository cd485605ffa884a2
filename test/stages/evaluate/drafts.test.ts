import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { beforeEach, describe, expect, it } from "vitest";
import { measuredDrafts } from "../../../src/stages/evaluate/drafts.js";
import type { InputArtifact } from "../../../src/stages/stage.js";
import { scratchDirectory } from "../../scratch/scratch.js";

let root: string;
beforeEach(() => {
  root = scratchDirectory("drafts");
});

async function draftIn(directory: string, config: object): Promise<void> {
  await mkdir(directory, { recursive: true });
  await writeFile(join(directory, "config.json"), JSON.stringify(config));
}

function artifact(path: string, kind: "draft" | "checkpoints", kept?: number): InputArtifact {
  const manifest: InputArtifact["manifest"] = {
    kind,
    schemaVersion: 1,
    producer: { stage: "test", version: "0", options: {} },
    inputs: {},
    files: [],
    counts: kept === undefined ? {} : { kept },
    facts: {},
    digest: "0".repeat(64),
  };
  return { path, manifest };
}

async function checkpoints(name: string, kept: number, layers: number): Promise<InputArtifact> {
  const path = join(root, name);
  await draftIn(join(path, "checkpoints", "step-9"), { num_hidden_layers: layers, dflash_config: { block_size: 8 } });
  await draftIn(join(path, "untrained"), { num_hidden_layers: layers, block_size: 8 });
  await writeFile(join(path, "best.json"), JSON.stringify({ path: "checkpoints/step-9" }));
  return artifact(path, "checkpoints", kept);
}

describe("the drafts of an evaluation", () => {
  it("are the exported one, another, and the untrained one, each with what is known of it", async () => {
    await draftIn(join(root, "export"), { num_hidden_layers: 5, block_size: 16 });
    const made = await measuredDrafts(true, {
      draft: artifact(join(root, "export"), "draft"),
      checkpoints: await checkpoints("mine", 2000, 5),
      other: await checkpoints("theirs", 500, 8),
    });
    expect(made).toEqual([
      { name: "trained", path: join(root, "export"), setup: { layers: 5, blockSize: 16, trainingRows: 2000 } },
      {
        name: "other",
        path: join(root, "theirs", "checkpoints", "step-9"),
        setup: { layers: 8, blockSize: 8, trainingRows: 500 },
      },
      { name: "untrained", path: join(root, "mine", "untrained"), setup: { layers: 5, blockSize: 8, trainingRows: 0 } },
    ]);
  });

  it("are the best checkpoint alone, if nothing else is wanted", async () => {
    const made = await measuredDrafts(false, {
      draft: undefined,
      checkpoints: await checkpoints("mine", 7, 5),
      other: undefined,
    });
    expect(made.map(({ name, path }) => [name, path])).toEqual([
      ["trained", join(root, "mine", "checkpoints", "step-9")],
    ]);
  });

  it("say that the size of the data is not known of a draft alone", async () => {
    await draftIn(join(root, "export"), { num_hidden_layers: 5, block_size: 16 });
    const inputs = { draft: artifact(join(root, "export"), "draft"), checkpoints: undefined, other: undefined };
    const [only, ...rest] = await measuredDrafts(true, inputs);
    expect(rest).toEqual([]);
    expect(only!.setup.trainingRows).toBeNull();
  });

  it("are asked for where there are none", async () => {
    const none = { draft: undefined, checkpoints: undefined, other: undefined };
    await expect(measuredDrafts(true, none)).rejects.toMatchObject({ code: "OPTIONS_INVALID" });
  });
});
