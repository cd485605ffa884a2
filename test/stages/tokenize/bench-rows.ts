/** What the benchmarks tokenize: one 1080p screenshot and about 1 KB of text a row, with Qwen3-VL's pixel limits. */
import { cp, mkdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { JsonObject } from "../../../src/base/index.js";
import type { Dialogue } from "../../../src/dialogue/index.js";
import { TINY_GUI } from "../../tokens/reference.js";
import { picture, SYSTEM, text, type Workbench } from "./workbench.js";

/** The embedded target with Qwen3-VL's pixel limits: a 1080p screenshot becomes 2,040 tokens. */
export async function largeModel(bench: Workbench): Promise<string> {
  const dir = join(bench.root, "model");
  await mkdir(dir);
  await cp(TINY_GUI, dir, { recursive: true, filter: (path) => !path.endsWith(".safetensors") });
  const file = join(dir, "preprocessor_config.json");
  const json = JSON.parse(await readFile(file, "utf8")) as JsonObject;
  await writeFile(file, JSON.stringify({ ...json, size: { shortest_edge: 65_536, longest_edge: 16_777_216 } }));
  return dir;
}

export function screenDialogue(number: number): Dialogue {
  const words = `The window shows ${number} entries; "Save as" lies beside the field at ${number % 997}. `.repeat(6);
  return {
    id: `d${number}`,
    source: { file: "x", line: 1 },
    messages: [
      { role: "system", content: [text(SYSTEM)] },
      { role: "user", content: [picture(number, 1920, 1080), text(words)] },
      { role: "assistant", content: [text(`${words.slice(0, 300)} {"action": "click", "at": [${number % 1000}, 5]}`)] },
    ],
  };
}
