/** Model directories in the forms that transformers writes, made from the embedded target. */
import { cp, readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { JsonObject, JsonValue } from "../../src/base/index.js";
import { scratchDirectory } from "../scratch/scratch.js";
import { TINY_GUI } from "../tokens/reference.js";

export class Directory {
  private constructor(readonly dir: string) {}

  static async make(): Promise<Directory> {
    const dir = scratchDirectory("model");
    await cp(TINY_GUI, dir, { recursive: true, filter: (path) => !path.endsWith(".safetensors") });
    return new Directory(dir);
  }

  text(file: string): Promise<string> {
    return readFile(join(this.dir, file), "utf8");
  }

  async json(file: string): Promise<JsonObject> {
    return JSON.parse(await this.text(file)) as JsonObject;
  }

  write(file: string, value: string | JsonValue): Promise<void> {
    return writeFile(join(this.dir, file), typeof value === "string" ? value : JSON.stringify(value));
  }

  remove(...files: string[]): Promise<unknown> {
    return Promise.all(files.map((file) => rm(join(this.dir, file), { recursive: true, force: true })));
  }

  /** Sets top-level fields; undefined takes one away. */
  async set(file: string, fields: Record<string, JsonValue | undefined>): Promise<void> {
    const json = { ...(await this.json(file)), ...fields } as JsonObject;
    await this.write(file, json);
  }

  delete(): Promise<void> {
    return rm(this.dir, { recursive: true, force: true });
  }
}

const NULLS_457 = {
  crop_size: null,
  data_format: "channels_first",
  default_to_square: true,
  device: null,
  do_center_crop: null,
  do_convert_rgb: true,
  do_normalize: true,
  do_rescale: true,
  do_resize: true,
  input_data_format: null,
  pad_size: null,
  resample: 3,
  rescale_factor: 1 / 255,
};

/** As save_pretrained of 4.57 leaves it: every setting written out, many null, and tokens named in four files. */
export async function writeForm457(target: Directory): Promise<void> {
  await target.set("preprocessor_config.json", {
    ...NULLS_457,
    disable_grouping: null,
    do_pad: null,
    max_pixels: null,
    min_pixels: null,
    return_tensors: null,
  });
  await target.set("video_preprocessor_config.json", {
    ...NULLS_457,
    do_sample_frames: true,
    num_frames: null,
    return_metadata: false,
    video_metadata: null,
  });
  const added = (await target.json("tokenizer.json")).added_tokens as JsonObject[];
  await target.write(
    "added_tokens.json",
    Object.fromEntries(added.map((token) => [token.content as string, token.id as number])),
  );
  await target.set("tokenizer_config.json", {
    added_tokens_decoder: Object.fromEntries(added.map(({ id, ...token }) => [String(id), token])),
    additional_special_tokens: ["<|im_start|>", "<|image_pad|>"],
    extra_special_tokens: {},
  });
  const named = (content: string): JsonObject => ({
    content,
    lstrip: false,
    normalized: false,
    rstrip: false,
    single_word: false,
  });
  await target.write("special_tokens_map.json", {
    additional_special_tokens: ["<|im_start|>", "<|image_pad|>"],
    eos_token: named("<|im_end|>"),
    pad_token: named("<|endoftext|>"),
  });
}

/** As snapshots on the hub have it: few settings, the template in two or three places, tokens by name and by id. */
export async function writeFormHub(target: Directory): Promise<void> {
  const template = await target.text("chat_template.jinja");
  const added = (await target.json("tokenizer.json")).added_tokens as JsonObject[];
  await target.set("tokenizer_config.json", {
    added_tokens_decoder: Object.fromEntries(added.map(({ id, ...token }) => [String(id), token])),
    additional_special_tokens: ["<|im_start|>", "<|im_end|>", "<|vision_start|>"],
    chat_template: template,
  });
  await target.write("chat_template.json", { chat_template: template });
}

/** As transformers 5 writes it: both processors nested in one file, rotary settings in one object, no token lists. */
export async function writeForm5(target: Directory): Promise<void> {
  const image = await target.json("preprocessor_config.json");
  const video = await target.json("video_preprocessor_config.json");
  await target.write("processor_config.json", {
    image_processor: { ...image, image_processor_type: "Qwen2VLImageProcessor" },
    video_processor: { ...video, max_video_tokens: 768 },
    processor_class: "Qwen3VLProcessor",
  });
  await target.remove("preprocessor_config.json", "video_preprocessor_config.json");
  await target.set("tokenizer_config.json", { add_bos_token: undefined, backend: "tokenizers", is_local: true });
  const config = await target.json("config.json");
  const { rope_scaling, rope_theta, ...text } = config.text_config as JsonObject;
  await target.set("config.json", {
    text_config: { ...text, rope_parameters: { ...(rope_scaling as JsonObject), rope_theta: rope_theta! } },
  });
}
