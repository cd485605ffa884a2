/** Directories of all four model types, made from the embedded target: enough for a processor, without weights. */
import { cp, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { JsonObject } from "../../src/base/index.js";
import type { ModelType } from "../../src/model/index.js";
import { scratchDirectory } from "../scratch/scratch.js";
import { TINY_GUI } from "./reference.js";

export async function familyDirectory(type: ModelType): Promise<string> {
  const dir = scratchDirectory(type);
  await cp(TINY_GUI, dir, { recursive: true, filter: (path) => !path.endsWith(".safetensors") });
  const file = join(dir, "config.json");
  const config = JSON.parse(await readFile(file, "utf8")) as JsonObject;
  const text = config.text_config as JsonObject;
  const vision = config.vision_config as JsonObject;
  config.model_type = type;
  text.model_type = `${type}_text`;
  vision.model_type = type;
  if (type.startsWith("qwen3_5")) {
    text.rope_scaling = { rope_type: "default", mrope_interleaved: true, mrope_section: [3, 3, 2] };
    text.partial_rotary_factor = 0.25;
    delete vision.deepstack_visual_indexes;
  }
  await writeFile(file, JSON.stringify(config));
  await joinMarks(join(dir, "tokenizer.json"));
  return dir;
}

/** Merges of letters with the bytes of combining marks: with them, a split rule that parts the two gives other ids. */
async function joinMarks(file: string): Promise<void> {
  const json = JSON.parse(await readFile(file, "utf8")) as {
    model: { vocab: Record<string, number>; merges: [string, string][] };
  };
  // U+0300..U+033F begin with byte CC, written \u00cc in byte-level vocabularies; U+0323 ends with A3.
  const merges: [string, string][] = [..."aex"].map((letter) => [letter, "\u00cc"]);
  merges.push(["\u00a3", "b"]);
  // In place of the last merges, so that ids stay without gaps.
  for (const [left, right] of merges) {
    const last = json.model.merges.pop()!;
    const id = json.model.vocab[last.join("")]!;
    delete json.model.vocab[last.join("")];
    json.model.vocab[left + right] = id;
  }
  json.model.merges.push(...merges);
  await writeFile(file, JSON.stringify(json));
}
