/** Encodes and decodes text with the reference implementation itself, the Rust library behind transformers. */
import { setImmediate } from "node:timers/promises";
import { isMainThread } from "node:worker_threads";
import { Tokenizer as NativeTokenizer } from "tokenizers";
import { isJsonObject } from "../base/index.js";
import { LONG_BYTES, longTextEncoder } from "./long-texts.js";
import { PieceCache } from "./piece-cache.js";

/** Any implementation that follows tokenizer.json exactly can provide this. */
export interface Tokenizer {
  /** Ids of a text; special tokens in it become their ids, none are added. */
  encode(text: string): Promise<Int32Array>;
  encodeBatch(texts: readonly string[]): Promise<Int32Array[]>;
  /** The text of ids, special tokens written out. */
  decode(ids: ArrayLike<number>): Promise<string>;
  idOf(token: string): number | undefined;
}

/** Takes the contents of a tokenizer.json. Encoding runs on native threads, so the event loop stays responsive. */
export function createTokenizer(json: string): Tokenizer {
  const native = NativeTokenizer.fromString(json);
  const encodeAll = async (texts: readonly string[]): Promise<Int32Array[]> => {
    if (texts.length === 0) return [];
    const encodings = await native.encodeBatch([...texts], { addSpecialTokens: false });
    return encodings.map((encoding) => new Int32Array(encoding.getIds()));
  };
  const separators = independentTokens(json);
  const cache = separators === null ? null : new PieceCache(separators, encodeAll);
  const encodeShort = async (texts: readonly string[]): Promise<Int32Array[]> => {
    const ids: Int32Array[] = [];
    for (const slice of slices(texts)) {
      // If all pieces are cached, nothing else yields to the event loop.
      if (ids.length > 0) await setImmediate();
      for (const encoded of await (cache === null ? encodeAll(slice) : cache.encodeBatch(slice))) ids.push(encoded);
    }
    return ids;
  };
  // On a worker thread nothing waits, so long texts need no thread of their own.
  const encodeLong = isMainThread ? longTextEncoder(json) : undefined;
  const encodeBatch = async (texts: readonly string[]): Promise<Int32Array[]> => {
    if (encodeLong === undefined) return encodeShort(texts);
    const isLong = texts.map((text) => Buffer.byteLength(text) > LONG_BYTES);
    if (!isLong.includes(true)) return encodeShort(texts);
    const [short, ...long] = await Promise.all([
      encodeShort(texts.filter((_, at) => !isLong[at])),
      ...texts.filter((_, at) => isLong[at]).map(encodeLong),
    ]);
    const [nextShort, nextLong] = [short.values(), long.values()];
    return isLong.map((is) => (is ? nextLong : nextShort).next().value!);
  };
  return {
    encode: async (text) => (await encodeBatch([text]))[0]!,
    encodeBatch,
    decode: (ids) => native.decode(Array.from(ids), false),
    idOf: (token) => native.tokenToId(token) ?? undefined,
  };
}

/**
 * Splitting texts and copying ids happens on this thread, about 20 ms per 100,000 ids; slices of bounded size let the event
 * loop run in between. A text has at most as many ids as bytes, except for a few characters that NFC decomposes.
 */
const SLICE_BYTES = 1 << 17;

function* slices(texts: readonly string[]): Generator<string[]> {
  let slice: string[] = [];
  let size = 0;
  for (const text of texts) {
    slice.push(text);
    size += Buffer.byteLength(text);
    if (size < SLICE_BYTES) continue;
    yield slice;
    slice = [];
    size = 0;
  }
  if (slice.length > 0) yield slice;
}

/**
 * The added tokens, if the text on both sides of each is tokenized independently: none absorbs adjacent whitespace, none is
 * matched in normalized text, and no prefix space is added to a part. Otherwise null.
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
