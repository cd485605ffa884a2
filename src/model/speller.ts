/** The text of tokens for people. */
import { isUtf8 } from "node:buffer";
import type { TokenizerFiles } from "./tokenizer-files.js";

/** Turns an id into the text of its token. */
export type Speller = (id: number) => string;

/** Maps the printable characters that byte-level vocabularies use back to their bytes. */
function byteOfChar(): Map<string, number> {
  const table = new Map<string, number>();
  let next = 256;
  for (let byte = 0; byte < 256; byte += 1) {
    const printable = (byte >= 33 && byte <= 126) || (byte >= 161 && byte <= 172) || byte >= 174;
    table.set(String.fromCodePoint(printable ? byte : next), byte);
    if (!printable) next += 1;
  }
  return table;
}

export function spellerOf(tokenizer: TokenizerFiles): Speller {
  const bytes = byteOfChar();
  const added = new Set(tokenizer.addedTokens.map((token) => token.id));
  return (id) => {
    const token = tokenizer.tokenOf(id);
    if (token === undefined) return "(no such token)";
    if (added.has(id)) return token;
    const raw = Array.from(token, (char) => bytes.get(char));
    return raw.includes(undefined) ? token : spelled(Buffer.from(raw as number[]));
  };
}

/** Spells out the bytes of characters that tokens split: with U+FFFD, different tokens would look alike. */
function spelled(bytes: Buffer): string {
  if (isUtf8(bytes)) return bytes.toString("utf8");
  return Array.from(bytes, (byte) => `<0x${byte.toString(16).toUpperCase().padStart(2, "0")}>`).join("");
}
