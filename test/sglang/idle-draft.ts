/** A DFlash draft without knowledge: all matrices zero, so that every position proposes one and the same token. */
import { mkdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";

interface TextConfig {
  vocab_size: number;
  hidden_size: number;
  intermediate_size: number;
  num_hidden_layers: number;
  num_attention_heads: number;
  num_key_value_heads: number;
  head_dim: number;
  max_position_embeddings: number;
}

const LAYERS = [3, 4, 5];

/**
 * Writes the draft directory. A mask position's hidden state stays the embedding of the mask token, and with tied
 * embeddings the likeliest token is then the mask token itself: `proposal` is what the draft always says.
 */
export async function writeIdleDraft(
  directory: string,
  model: string,
  proposal: number,
  blockSize: number,
): Promise<void> {
  const config: { text_config: TextConfig } = JSON.parse(await readFile(join(model, "config.json"), "utf8"));
  const text = config.text_config;
  const draft = {
    architectures: ["DFlashDraftModel"],
    model_type: "qwen3",
    hidden_size: text.hidden_size,
    intermediate_size: text.intermediate_size,
    num_hidden_layers: 1,
    num_attention_heads: text.num_attention_heads,
    num_key_value_heads: text.num_key_value_heads,
    head_dim: text.head_dim,
    max_position_embeddings: text.max_position_embeddings,
    vocab_size: text.vocab_size,
    rms_norm_eps: 1e-6,
    rope_theta: 10_000,
    hidden_act: "silu",
    attention_bias: false,
    dtype: "float32",
    block_size: blockSize,
    num_target_layers: text.num_hidden_layers,
    layer_types: ["full_attention"],
    dflash_config: { mask_token_id: proposal, target_layer_ids: LAYERS, block_size: blockSize },
  };
  await mkdir(directory, { recursive: true });
  await writeFile(join(directory, "config.json"), JSON.stringify(draft, null, 2));
  await writeFile(join(directory, "model.safetensors"), safetensors(shapes(text)));
}

function shapes(text: TextConfig): Record<string, number[]> {
  const { hidden_size: hidden, intermediate_size: inner, head_dim: head } = text;
  const query = text.num_attention_heads * head;
  const keyValue = text.num_key_value_heads * head;
  return {
    "fc.weight": [hidden, LAYERS.length * hidden],
    "hidden_norm.weight": [hidden],
    "norm.weight": [hidden],
    "layers.0.input_layernorm.weight": [hidden],
    "layers.0.post_attention_layernorm.weight": [hidden],
    "layers.0.self_attn.q_norm.weight": [head],
    "layers.0.self_attn.k_norm.weight": [head],
    "layers.0.self_attn.q_proj.weight": [query, hidden],
    "layers.0.self_attn.k_proj.weight": [keyValue, hidden],
    "layers.0.self_attn.v_proj.weight": [keyValue, hidden],
    "layers.0.self_attn.o_proj.weight": [hidden, query],
    "layers.0.mlp.gate_proj.weight": [inner, hidden],
    "layers.0.mlp.up_proj.weight": [inner, hidden],
    "layers.0.mlp.down_proj.weight": [hidden, inner],
  };
}

/** Vectors are norms and get ones; matrices get zeros. */
function safetensors(tensors: Record<string, number[]>): Buffer {
  const header: Record<string, unknown> = {};
  const parts: Float32Array[] = [];
  let offset = 0;
  for (const [name, shape] of Object.entries(tensors)) {
    const values = new Float32Array(shape.reduce((product, size) => product * size, 1));
    if (shape.length === 1) values.fill(1);
    header[name] = { dtype: "F32", shape, data_offsets: [offset, offset + values.byteLength] };
    parts.push(values);
    offset += values.byteLength;
  }
  const json = Buffer.from(JSON.stringify(header));
  const size = Buffer.alloc(8);
  size.writeBigUInt64LE(BigInt(json.length));
  return Buffer.concat([size, json, ...parts.map((part) => Buffer.from(part.buffer))]);
}
