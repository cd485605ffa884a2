/** JSON from a server that is not trusted: size is bounded by the transport, nesting and kinds here. */
import { isJsonObject, type JsonObject, type JsonValue } from "../base/index.js";

/** SGLang's deepest answer (hidden states aside) nests 6 levels. */
const MAX_DEPTH = 64;

export class JsonFault extends Error {
  override readonly name = "JsonFault";
}

/** @throws JsonFault - not JSON, cut off, or nested too deeply. */
export function parseBounded(body: Buffer): JsonValue {
  if (!hasFewBrackets(body) && depthOf(body) > MAX_DEPTH)
    throw new JsonFault(`the answer nests deeper than ${MAX_DEPTH} levels`);
  try {
    return JSON.parse(body.toString("utf8")) as JsonValue;
  } catch (error) {
    throw new JsonFault(`the answer is not JSON: ${excerpt(body)}`, { cause: error });
  }
}

/** @throws JsonFault - as above, or not an object. */
export function parseBoundedObject(body: Buffer): JsonObject {
  const value = parseBounded(body);
  if (!isJsonObject(value)) throw new JsonFault(`the answer is not a JSON object: ${excerpt(body)}`);
  return value;
}

/** The beginning of a body, on one line, for messages. */
export function excerpt(body: Buffer, length = 200): string {
  const text = body
    .subarray(0, length * 4)
    .toString("utf8")
    .replace(/\s+/g, " ")
    .trim();
  if (text === "") return "(empty)";
  return text.length > length ? `${text.slice(0, length)}...` : text;
}

const OPENING = [0x5b, 0x7b];

/** Too few brackets to nest too deeply, wherever they stand: so in almost all honest answers, and quick to see. */
function hasFewBrackets(body: Buffer): boolean {
  let count = 0;
  for (const bracket of OPENING) {
    for (let at = body.indexOf(bracket); at >= 0; at = body.indexOf(bracket, at + 1)) {
      count += 1;
      if (count > MAX_DEPTH) return false;
    }
  }
  return true;
}

const QUOTE = 0x22;
const BACKSLASH = 0x5c;

/** Deepest nesting of brackets outside strings. */
function depthOf(body: Buffer): number {
  let depth = 0;
  let deepest = 0;
  let at = 0;
  while (at < body.length) {
    const byte = body[at]!;
    if (byte === QUOTE) {
      at = endOfString(body, at + 1);
      continue;
    }
    if (byte === 0x5b || byte === 0x7b) {
      depth += 1;
      if (depth > deepest) deepest = depth;
    } else if (byte === 0x5d || byte === 0x7d) depth -= 1;
    at += 1;
  }
  return deepest;
}

/** Index after the closing quote; `from` is the first byte inside the string. */
function endOfString(body: Buffer, from: number): number {
  let at = from;
  for (;;) {
    const quote = body.indexOf(QUOTE, at);
    if (quote < 0) return body.length;
    let slashes = 0;
    while (quote - 1 - slashes >= from && body[quote - 1 - slashes] === BACKSLASH) slashes += 1;
    if (slashes % 2 === 0) return quote + 1;
    at = quote + 1;
  }
}
