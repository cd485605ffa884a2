/** Text to ids and back, through the reference implementation itself (the Rust library behind transformers). */
import { setImmediate } from "node:timers/promises";
import { Tokenizer as NativeTokenizer } from "tokenizers";
import { isJsonObject } from "../base/index.js";
import { PieceCache } from "./piece-cache.js";

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
  const encodeAll = async (texts: readonly string[]): Promise<Int32Array[]> => {
    if (texts.length === 0) return [];
    const encodings = await native.encodeBatch([...texts], { addSpecialTokens: false });
    return encodings.map((encoding) => new Int32Array(encoding.getIds()));
  };
  const separators = independentTokens(json);
  const cache = separators === null ? null : new PieceCache(separators, encodeAll);
  const encodeBatch = async (texts: readonly string[]): Promise<Int32Array[]> => {
    const ids: Int32Array[] = [];
    for (const slice of slices(texts)) {
      // Where all pieces are remembered nothing else would let other work in.
      if (ids.length > 0) await setImmediate();
      for (const encoded of await (cache === null ? encodeAll(slice) : cache.encodeBatch(slice))) ids.push(encoded);
    }
    return ids;
  };
  return {
    encode: async (text) => (await encodeBatch([text]))[0]!,
    encodeBatch,
    decode: (ids) => native.decode(Array.from(ids), false),
    idOf: (token) => native.tokenToId(token) ?? undefined,
  };
}

/**
 * Texts are cut into pieces and ids copied on this thread: batches of bounded size let the event loop run in between. One text
 * is never cut, so a text of a million characters still holds it for a moment.
 */
const SLICE_CHARACTERS = 1 << 17;

function* slices(texts: readonly string[]): Generator<string[]> {
  let slice: string[] = [];
  let size = 0;
  for (const text of texts) {
    slice.push(text);
    size += text.length;
    if (size < SLICE_CHARACTERS) continue;
    yield slice;
    slice = [];
    size = 0;
  }
  if (slice.length > 0) yield slice;
}

/**
 * The added tokens, where each of them cuts a text into parts that are tokenized without regard to each other: none
 * takes neighbouring space, none is looked for in normalised text, and no prefix space is added to a part. Else null.
 */
export function independentTokens(json: string): Map<string, number> | null {
  const parsed: unknown = JSON.parse(json);
  if (!isJsonObject(parsed) || !Array.isArray(parsed.added_tokens)) return null;
  if (JSON.stringify(parsed.pre_tokenizer ?? null).includes('"add_prefix_space":true')) return null;
  const tokens = new Map<string, number>();
  for (const token of parsed.added_tokens) {
    if (!isJsonObject(token) || typeof token.content !== "string" || typeof token.id !== "number") return null;
    if (token.single_word || token.lstrip || token.rstrip || token.normalized) return null;
    tokens.set(token.content, token.id);
  }
  return tokens.size === 0 ? null : tokens;
}
