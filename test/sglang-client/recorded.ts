/** Answers of the real SGLang 0.5.23 on CPU, recorded with models of our own; bodies only. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import type { JsonObject } from "../../src/base/index.js";
import type { Reply } from "../../src/sglang/index.js";

export function recorded(name: string): Reply & { json: JsonObject } {
  const path = join(import.meta.dirname, "recorded", `${name}.json`);
  const { status, json, text } = JSON.parse(readFileSync(path, "utf8")) as {
    status: number;
    json?: JsonObject;
    text?: string;
  };
  const body = Buffer.from(json === undefined ? (text ?? "") : JSON.stringify(json));
  return { status, body, retryAfterMs: undefined, json: json ?? {} };
}
