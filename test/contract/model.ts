/** What the tests must know of the model that both servers serve, read from its own files. */
import { readFileSync } from "node:fs";
import { join } from "node:path";

interface Config {
  image_token_id: number;
  text_config: { max_position_embeddings: number; vocab_size: number };
  vision_config: { patch_size: number; spatial_merge_size: number };
}

export interface ModelFacts {
  imagePad: number;
  context: number;
  vocabulary: number;
  /** Pixels on one side of the square that one placeholder token stands for. */
  tokenSide: number;
  stopIds: number[];
}

export function modelFacts(directory: string): ModelFacts {
  const read = <T>(name: string): T => JSON.parse(readFileSync(join(directory, name), "utf8")) as T;
  const config = read<Config>("config.json");
  const eos = read<{ eos_token_id: number | number[] }>("generation_config.json").eos_token_id;
  return {
    imagePad: config.image_token_id,
    context: config.text_config.max_position_embeddings,
    vocabulary: config.text_config.vocab_size,
    tokenSide: config.vision_config.patch_size * config.vision_config.spatial_merge_size,
    stopIds: Array.isArray(eos) ? eos : [eos],
  };
}

/** Repeats each placeholder as often as its picture has tokens. */
export function expand(
  ids: readonly number[],
  facts: ModelFacts,
  pictures: readonly { width: number; height: number }[],
): number[] {
  const left = [...pictures];
  const out = ids.flatMap((id) => {
    if (id !== facts.imagePad) return [id];
    const image = left.shift();
    if (image === undefined) throw new Error("more placeholders than pictures");
    return Array<number>((image.width / facts.tokenSide) * (image.height / facts.tokenSide)).fill(id);
  });
  if (left.length > 0) throw new Error("more pictures than placeholders");
  return out;
}
