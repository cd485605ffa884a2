/**
 * The embedded target with room for long prompts and weights that answer every prompt with the same words: all layers
 * add nothing, so the head sees the last token alone, and its rows lead from each word to the next. A target trained on short
 * prompts finds no end on long ones; this one always does.
 */
import { cp, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { JsonObject } from "../../src/base/index.js";
import { openModel } from "../../src/model/index.js";
import { createTokenizer } from "../../src/tokens/index.js";
import { TINY_GUI } from "../tokens/reference.js";

interface Tensor {
  dtype: string;
  shape: number[];
  data_offsets: [number, number];
}

const EMBEDDING = "model.language_model.embed_tokens.weight";
const NORM = "model.language_model.norm.weight";
/** What a layer adds to the hidden states passes through one of these. */
const OUTPUTS = /language_model\.layers\.\d+\.(self_attn\.o_proj|mlp\.down_proj)\.weight$/;
const EPSILON = 1e-6;
const BYTES = 2;

export async function recitingTarget(directory: string, context: number, words: string): Promise<void> {
  await cp(TINY_GUI, directory, { recursive: true });
  const configFile = join(directory, "config.json");
  const config = JSON.parse(await readFile(configFile, "utf8")) as JsonObject & { text_config: JsonObject };
  config.text_config.max_position_embeddings = context;
  for (const part of [config, config.text_config]) part.tie_word_embeddings = false;
  await writeFile(configFile, JSON.stringify(config));

  const model = await openModel(directory);
  const tokenizer = createTokenizer(model.tokenizer.effectiveJson);
  const [answer, opening] = await tokenizer.encodeBatch([words, "<|im_start|>assistant\n"]);
  const path = [opening!.at(-1)!, ...answer!, model.specialIds.imEnd];
  if (new Set(path).size !== path.length) throw new Error(`a token occurs twice in ${JSON.stringify(words)}`);
  await rewrite(join(directory, "model.safetensors"), path);
}

async function rewrite(file: string, path: readonly number[]): Promise<void> {
  const bytes = await readFile(file);
  const start = 8 + Number(bytes.readBigUInt64LE(0));
  const header = JSON.parse(bytes.toString("utf8", 8, start)) as Record<string, Tensor>;
  const body = Buffer.from(bytes.subarray(start));
  for (const [name, { data_offsets: at }] of Object.entries(header)) if (OUTPUTS.test(name)) body.fill(0, ...at);
  const embedding = header[EMBEDDING]!;
  const width = embedding.shape[1]!;
  const row = (tensor: Tensor, number: number): number[] =>
    Array.from({ length: width }, (_, k) => bfloat(body, tensor.data_offsets[0] + BYTES * (number * width + k)));
  const scale = row(header[NORM]!, 0);
  const head = Buffer.alloc(embedding.data_offsets[1] - embedding.data_offsets[0]);
  for (const [at, token] of path.slice(0, -1).entries()) {
    const embedded = row(embedding, token);
    const size = Math.sqrt(embedded.reduce((sum, value) => sum + value * value, 0) / width + EPSILON);
    const hidden = embedded.map((value, k) => (value / size) * scale[k]!);
    const length = Math.hypot(...hidden);
    for (const [k, value] of hidden.entries()) writeBfloat(head, BYTES * (path[at + 1]! * width + k), value / length);
  }
  const end = body.length;
  const more: Record<string, Tensor> = {
    "lm_head.weight": { ...embedding, data_offsets: [end, end + head.length] },
  };
  const text = Buffer.from(JSON.stringify({ ...header, ...more }));
  const size = Buffer.alloc(8);
  size.writeBigUInt64LE(BigInt(text.length));
  await writeFile(file, Buffer.concat([size, text, body, head]));
}

const scratch = new DataView(new ArrayBuffer(4));

function bfloat(bytes: Buffer, at: number): number {
  scratch.setUint32(0, bytes.readUInt16LE(at) << 16);
  return scratch.getFloat32(0);
}

/** Rounds towards zero, which is exact enough here. */
function writeBfloat(bytes: Buffer, at: number, value: number): void {
  scratch.setFloat32(0, value);
  bytes.writeUInt16LE(scratch.getUint32(0) >>> 16, at);
}
