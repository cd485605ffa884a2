/** Text to ids and back, through the reference implementation itself (the Rust library behind transformers). */
import { Tokenizer as NativeTokenizer } from "tokenizers";

/** The seam: whatever reads a tokenizer.json exactly may stand behind it. */
export interface Tokenizer {
  /** Ids of a text; special tokens written in it become their ids, nothing is added. */
  encode(text: string): Promise<Int32Array>;
  encodeBatch(texts: readonly string[]): Promise<Int32Array[]>;
  /** The text of ids, special tokens written out. */
  decode(ids: ArrayLike<number>): Promise<string>;
  idOf(token: string): number | undefined;
}

/** Takes the contents of a tokenizer.json. Encoding runs on other threads: the event loop stays free. */
export function createTokenizer(json: string): Tokenizer {
  const native = NativeTokenizer.fromString(json);
  const options = { addSpecialTokens: false };
  return {
    async encode(text) {
      return Int32Array.from((await native.encode(text, null, options)).getIds());
    },
    async encodeBatch(texts) {
      if (texts.length === 0) return [];
      const encodings = await native.encodeBatch([...texts], options);
      return encodings.map((encoding) => Int32Array.from(encoding.getIds()));
    },
    decode: (ids) => native.decode(Array.from(ids), false),
    idOf: (token) => native.tokenToId(token) ?? undefined,
  };
}
