/** Tokenizer libraries behind one signature, given the contents of a tokenizer.json. Imported by path: none but ours is a dependency. */
import { createRequire } from "node:module";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { Tokenizer as NativeTokenizer } from "tokenizers";
import { createTokenizer } from "../../src/tokens/index.js";

export interface Library {
  name: string;
  /** Ids of every text, as the library's own users would get them. */
  encode(texts: readonly string[]): Promise<ArrayLike<number>[]>;
}

interface TokenizerJson {
  model: { vocab: Record<string, number> };
  added_tokens: { id: number; content: string }[];
}

export function builtIn(json: string): Library[] {
  const native = NativeTokenizer.fromString(json);
  const ours = createTokenizer(json);
  return [
    {
      name: "tokenizers (native), one by one",
      encode: async (texts) => {
        const ids: ArrayLike<number>[] = [];
        for (const text of texts) ids.push((await native.encode(text, null, { addSpecialTokens: false })).getIds());
        return ids;
      },
    },
    {
      name: "tokenizers (native), batches",
      encode: async (texts) => {
        const encodings = await native.encodeBatch([...texts], { addSpecialTokens: false });
        return encodings.map((encoding) => encoding.getIds());
      },
    },
    { name: "ours (native, by pieces)", encode: (texts) => ours.encodeBatch(texts) },
  ];
}

/** Candidates installed under DIR/node_modules; those that are not there are left out. */
export async function candidates(dir: string, json: string, config: string, split: string): Promise<Library[]> {
  const found: Library[] = [];
  const load = async (name: string, file: string): Promise<Record<string, unknown> | null> => {
    try {
      return (await import(pathToFileURL(join(dir, "node_modules", name, file)).href)) as Record<string, unknown>;
    } catch {
      return null;
    }
  };
  const version = (name: string): string =>
    (createRequire(join(dir, "x.js"))(join(dir, "node_modules", name, "package.json")) as { version: string }).version;
  const add = (name: string, encode: (text: string) => ArrayLike<number>): void => {
    found.push({ name: `${name} ${version(name)}`, encode: async (texts) => texts.map(encode) });
  };
  const parsed = JSON.parse(json) as TokenizerJson;

  const hub = await load("@huggingface/tokenizers", "dist/tokenizers.mjs");
  if (hub !== null) {
    type Encoder = { encode(text: string, options: object): { ids: number[] } };
    const Tokenizer = hub.Tokenizer as new (json: unknown, config: unknown) => Encoder;
    const tokenizer = new Tokenizer(parsed, JSON.parse(config));
    add("@huggingface/tokenizers", (text) => tokenizer.encode(text, { add_special_tokens: false }).ids);
  }

  const lenml = await load("@lenml/tokenizers", "dist/main.mjs");
  if (lenml !== null) {
    type Encoder = { encode(text: string, options: object): number[] };
    const loader = lenml.TokenizerLoader as { fromPreTrained(files: object): Encoder };
    const tokenizer = loader.fromPreTrained({ tokenizerJSON: parsed, tokenizerConfig: JSON.parse(config) });
    add("@lenml/tokenizers", (text) => tokenizer.encode(text, { add_special_tokens: false }));
  }

  const special = Object.fromEntries(parsed.added_tokens.map(({ id, content }) => [content, id]));
  const bytes = tokenBytes(parsed);
  const tiktoken = await load("tiktoken", "tiktoken.cjs");
  if (tiktoken !== null) {
    type Encoder = { encode(text: string, allowed: "all"): Uint32Array };
    const Tiktoken = (tiktoken.Tiktoken ?? (tiktoken.default as Record<string, unknown>).Tiktoken) as new (
      ranks: string,
      special: Record<string, number>,
      pattern: string,
    ) => Encoder;
    const ranks = `! 0 ${bytes.map((token) => Buffer.from(token).toString("base64")).join(" ")}`;
    const tokenizer = new Tiktoken(ranks, special, split);
    // It knows no normalizer: its users normalise the text first.
    add("tiktoken", (text) => tokenizer.encode(text.normalize("NFC"), "all"));
  }

  const gpt = await load("gpt-tokenizer", "esm/BytePairEncodingCore.js");
  if (gpt !== null) {
    type Encoder = { encodeNative(text: string, allowed: Set<string>): number[] };
    const Core = gpt.BytePairEncodingCore as new (config: object) => Encoder;
    const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
    const tokenizer = new Core({
      bytePairRankDecoder: bytes.map((token) => {
        try {
          return decoder.decode(token);
        } catch {
          return [...token];
        }
      }),
      specialTokensEncoder: new Map(Object.entries(special)),
      tokenSplitRegex: new RegExp(inJavaScript(split), "gu"),
    });
    const allowed = new Set(Object.keys(special));
    add("gpt-tokenizer", (text) => tokenizer.encodeNative(text.normalize("NFC"), allowed));
  }
  return found;
}

/** The bytes of every token of the vocabulary by id, from the byte-level alphabet of GPT-2. */
function tokenBytes({ model }: TokenizerJson): Uint8Array[] {
  const byteOf = new Map<string, number>();
  let next = 256;
  for (let byte = 0; byte < 256; byte += 1) {
    const prints = (byte >= 33 && byte <= 126) || (byte >= 161 && byte <= 172) || byte >= 174;
    byteOf.set(String.fromCodePoint(prints ? byte : next++), byte);
  }
  const tokens: Uint8Array[] = [];
  for (const [token, id] of Object.entries(model.vocab)) {
    tokens[id] = Uint8Array.from([...token].map((letter) => byteOf.get(letter) ?? 0));
  }
  return tokens;
}

/** Node 20 has no inline flags; the only part of the rule that needs them is the contractions. */
function inJavaScript(split: string): string {
  const anyCase = (part: string): string => part.replace(/[a-z]/g, (letter) => `[${letter}${letter.toUpperCase()}]`);
  return split.replace(/\(\?i:([^)]*)\)/, (_, inner: string) => `(?:${anyCase(inner)})`);
}
