/** Opening model directories: what is read, and that everything missing or contradictory is named. */
import { cp, readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { DraftsmithError, type JsonObject, type JsonValue } from "../../src/base/index.js";
import { openModel } from "../../src/model/index.js";
import { scratchDirectory } from "../scratch/scratch.js";
import { TINY_GUI } from "../tokens/reference.js";

let dir: string;
beforeEach(async () => {
  dir = scratchDirectory("model");
  await cp(TINY_GUI, dir, { recursive: true, filter: (path) => !path.endsWith(".safetensors") });
});
afterEach(() => rm(dir, { recursive: true, force: true }));

async function edit(file: string, change: (json: JsonObject) => void): Promise<void> {
  const json = JSON.parse(await readFile(join(dir, file), "utf8")) as JsonObject;
  change(json);
  await writeFile(join(dir, file), JSON.stringify(json));
}

/** Sets one field, given as a path. */
const put = (file: string, path: string, value: JsonValue): Promise<void> =>
  edit(file, (json) => {
    const keys = path.split(".");
    const last = keys.pop()!;
    let at = json;
    for (const key of keys) at = at[key] as JsonObject;
    at[last] = value;
  });

async function failure(): Promise<DraftsmithError> {
  const error = await openModel(dir).then(
    () => undefined,
    (reason: unknown) => reason,
  );
  expect(error).toBeInstanceOf(DraftsmithError);
  return error as DraftsmithError;
}

const textConfig = (json: JsonObject): JsonObject => json.text_config as JsonObject;

describe("the embedded target", () => {
  it("opens with its special ids, stop ids and mask id", async () => {
    const model = await openModel(dir);
    expect(model.config.modelType).toBe("qwen3_vl");
    expect(model.specialIds.stop).toEqual([1974, 1976]);
    expect(model.tokenizer.tokenOf(model.specialIds.imagePad)).toBe("<|image_pad|>");
    expect(model.maskTokenId).toBe(model.tokenizer.size);
    expect(model.notes).toEqual([]);
  });

  it("has fingerprints that follow content, not spelling or place", async () => {
    const before = (await openModel(TINY_GUI)).fingerprints;
    expect((await openModel(dir)).fingerprints).toEqual(before);
    // The same limits in the other spelling.
    await edit("preprocessor_config.json", (json) => {
      const size = json.size as JsonObject;
      json.min_pixels = size.shortest_edge!;
      json.max_pixels = size.longest_edge!;
      delete json.size;
    });
    expect((await openModel(dir)).fingerprints.processor).toBe(before.processor);
    await edit("preprocessor_config.json", (json) => {
      json.max_pixels = 100_000;
    });
    await writeFile(join(dir, "chat_template.jinja"), "{{ messages }}");
    const after = (await openModel(dir)).fingerprints;
    expect(after.processor).not.toBe(before.processor);
    expect(after.template).not.toBe(before.template);
    expect(after.tokenizer).toBe(before.tokenizer);
  });
});

describe("forms that transformers writes", () => {
  it("settings nested in processor_config.json, alone or beside equal ones", async () => {
    const flat = JSON.parse(await readFile(join(dir, "preprocessor_config.json"), "utf8")) as JsonObject;
    const before = await openModel(dir);
    await writeFile(
      join(dir, "processor_config.json"),
      JSON.stringify({ image_processor: flat, processor_class: "Qwen3VLProcessor" }),
    );
    expect((await openModel(dir)).processor).toEqual(before.processor);
    await rm(join(dir, "preprocessor_config.json"));
    expect((await openModel(dir)).processor).toEqual(before.processor);
  });

  it("rope_parameters with theta inside, as transformers 5 writes it", async () => {
    await edit("config.json", (json) => {
      const text = textConfig(json);
      text.rope_parameters = { ...(text.rope_scaling as JsonObject), rope_theta: text.rope_theta! };
      delete text.rope_scaling;
      delete text.rope_theta;
    });
    expect((await openModel(dir)).config).toMatchObject({ ropeTheta: 100_000, mropeSection: [12, 10, 10] });
  });

  it("a template inside tokenizer_config.json, as a string or as a named list", async () => {
    const template = await readFile(join(dir, "chat_template.jinja"), "utf8");
    await rm(join(dir, "chat_template.jinja"));
    await edit("tokenizer_config.json", (json) => {
      json.chat_template = template;
    });
    expect((await openModel(dir)).template).toBe(template);
    await edit("tokenizer_config.json", (json) => {
      json.chat_template = [
        { name: "tool_use", template: "x" },
        { name: "default", template },
      ];
    });
    expect((await openModel(dir)).template).toBe(template);
  });

  it("an old chat_template.json that differs is noted, as servers do not render with it", async () => {
    await writeFile(join(dir, "chat_template.json"), '{"chat_template": "x"}');
    const model = await openModel(dir);
    expect(model.template).not.toBe("x");
    expect(model.notes).toEqual([expect.stringContaining("chat_template.json differs from chat_template.jinja")]);
  });

  it("all four model types; Qwen3.5 gets its own split rule whatever tokenizer.json says", async () => {
    for (const type of ["qwen3_vl", "qwen3_vl_moe", "qwen3_5", "qwen3_5_moe"]) {
      await edit("config.json", (json) => {
        json.model_type = type;
        delete (textConfig(json).rope_scaling as JsonObject).mrope_section;
      });
      const model = await openModel(dir);
      expect(model.config.modelType).toBe(type);
      const isQwen35 = type.startsWith("qwen3_5");
      expect(model.config.partialRotaryFactor).toBe(isQwen35 ? 0.25 : 1);
      expect(model.tokenizer.effectiveJson.includes("[\\\\p{L}\\\\p{M}]+")).toBe(isQwen35);
    }
  });
});

describe("what is missing or contradictory is named", () => {
  const config = (path: string, value: JsonValue) => put("config.json", path, value);
  const image = (path: string, value: JsonValue) => put("preprocessor_config.json", path, value);
  const tokens = (path: string, value: JsonValue) => put("tokenizer_config.json", path, value);
  const cases: [string, () => Promise<void>, RegExp][] = [
    ["config.json", () => rm(join(dir, "config.json")), /config\.json: is missing/],
    ["tokenizer.json", () => rm(join(dir, "tokenizer.json")), /tokenizer\.json: is missing/],
    ["the template", () => rm(join(dir, "chat_template.jinja")), /chat_template\.jinja: is missing/],
    ["processor settings", () => rm(join(dir, "preprocessor_config.json")), /preprocessor_config\.json: is missing/],
    ["broken JSON", () => writeFile(join(dir, "config.json"), "{"), /config\.json: is not JSON/],
    ["another model type", () => config("model_type", "llama"), /model_type "llama"/],
    ["a missing number", () => config("text_config.num_hidden_layers", null), /num_hidden_layers is missing/],
    [
      "a wrong mrope section",
      () => config("text_config.rope_scaling.mrope_section", [24, 20, 20]),
      /sums to 64, .* is 32/,
    ],
    ["another image token", () => config("image_token_id", 5), /image_token_id is 5, but the tokenizer gives/],
    ["a vocabulary too small", () => config("text_config.vocab_size", 1000), /vocab_size is 1000, but the tokenizer/],
    ["another patch size", () => image("patch_size", 14), /patch_size is 14, but the vision tower/],
    [
      "the spelling that fails later",
      () => image("size", { min_pixels: 1, max_pixels: 2 }),
      /size must have exactly shortest_edge/,
    ],
    [
      "an unknown image processor",
      () => image("image_processor_type", "ClipProcessor"),
      /image_processor_type "ClipProcessor"/,
    ],
    ["limits upside down", () => image("max_pixels", 4), /above max_pixels 4/],
    [
      "a moved token",
      () => tokens("added_tokens_decoder", { "7": { content: "<|im_end|>" } }),
      /gives id 7 to "<\|im_end\|>"/,
    ],
    ["an unknown eos token", () => tokens("eos_token", "</s>"), /eos_token "<\/s>" is not in tokenizer\.json/],
    ["clean-up", () => tokens("clean_up_tokenization_spaces", true), /would change the text/],
    [
      "two processors",
      async () => {
        const json = JSON.parse(await readFile(join(dir, "preprocessor_config.json"), "utf8")) as JsonObject;
        const nested = { image_processor: { ...json, max_pixels: 200_000 } };
        await writeFile(join(dir, "processor_config.json"), JSON.stringify(nested));
      },
      /disagree: .*maxPixels 200000 against 262144/,
    ],
  ];
  it.each(cases)("%s", async (_, spoil, message) => {
    await spoil();
    const error = await failure();
    expect(error.code).toBe("MODEL_INVALID");
    expect(error.message).toMatch(message);
    expect(error.location?.file).toContain(dir);
  });

  it("a hub name instead of a directory", async () => {
    await expect(openModel("Qwen/Qwen3-VL-8B-Instruct")).rejects.toMatchObject({ code: "INPUT_MISSING" });
  });
});
