/** Texts of a size that nobody types: the same ids, on a thread that holds nobody up. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import fc from "fast-check";
import { Tokenizer as NativeTokenizer } from "tokenizers";
import { beforeAll, describe, expect, it } from "vitest";
import { type ModelDirectory, openModel } from "../../src/model/index.js";
import { createTokenizer, type Tokenizer } from "../../src/tokens/index.js";
import { LONG_BYTES } from "../../src/tokens/long-texts.js";
import { measured } from "../measured.js";
import { TINY_GUI } from "./reference.js";

let model: ModelDirectory;
let tokenizer: Tokenizer;
beforeAll(async () => {
  model = await openModel(TINY_GUI);
  tokenizer = createTokenizer(model.tokenizer.effectiveJson);
});

const PIECES = [
  "Press ",
  "e\u0301",
  "\u4e2d\u6587",
  "<|im_start|>",
  "<|im_end|>\n",
  "  ",
  "\n",
  "12",
  "\u{1f600}",
  "\ufb2c",
];

describe("long texts", () => {
  it("have the ids of the whole text, each at its place among short ones", async () => {
    const native = NativeTokenizer.fromString(model.tokenizer.effectiveJson);
    const pieces = fc.array(fc.constantFrom(...PIECES), { minLength: 1, maxLength: 40 }).map((list) => list.join(""));
    const long = pieces.map((text) => text.repeat(Math.ceil((LONG_BYTES + 1) / Buffer.byteLength(text))));
    await fc.assert(
      fc.asyncProperty(fc.array(fc.oneof(pieces, long), { maxLength: 5 }), async (texts) => {
        const whole = await native.encodeBatch(texts, { addSpecialTokens: false });
        const ids = await tokenizer.encodeBatch(texts);
        expect(ids.map((one) => [...one])).toEqual(whole.map((encoding) => encoding.getIds()));
      }),
      { seed: 20_261_126, numRuns: 12 },
    );
  }, 120_000);

  it("leave the event loop alone: a million characters hold it for less than 50 ms", async () => {
    const text = "e\u0301\u0323".repeat(333_334);
    let ids: Int32Array = new Int32Array(0);
    const { held } = await measured(async () => {
      ids = await tokenizer.encode(text);
    });
    expect(ids.length).toBeGreaterThan(500_000);
    expect(held).toBeLessThan(50);
  }, 120_000);

  it("do not keep a process alive that has nothing else to do", async () => {
    const code = `
      const { openModel } = await import(${JSON.stringify(new URL("../../src/model/index.ts", import.meta.url).href)});
      const { createTokenizer } = await import(${JSON.stringify(new URL("../../src/tokens/index.ts", import.meta.url).href)});
      const model = await openModel(${JSON.stringify(TINY_GUI)});
      const ids = await createTokenizer(model.tokenizer.effectiveJson).encode("a b ".repeat(${LONG_BYTES}));
      console.log(ids.length > 0 ? "encoded" : "nothing");`;
    const child = spawn(process.execPath, ["--import", "tsx", "--input-type=module", "--eval", code], {
      stdio: ["ignore", "pipe", "inherit"],
    });
    const ended = once(child, "exit");
    const [said] = (await once(child.stdout, "data")) as [Buffer];
    expect(said.toString()).toBe("encoded\n");
    const start = performance.now();
    expect(await ended).toEqual([0, null]);
    // Left alone, an idle thread ends after ten seconds.
    expect(performance.now() - start).toBeLessThan(8000);
  }, 120_000);
});
