/** Reads the elements of a file that is one large JSON array, one at a time: many published datasets have this form. */
import { parseJson } from "../base/index.js";
import { readBlocks } from "./byte-blocks.js";
import { DEFAULT_MAX_LINE_BYTES, type JsonLine, type ReadLinesOptions, readJsonLines } from "./jsonl-reader.js";
import { rowFileOf } from "./row-file.js";

const [QUOTE, BACKSLASH, OPEN, CLOSE, OPEN_BRACE, CLOSE_BRACE, COMMA, NEWLINE] = Buffer.from('"\\[]{},\n');

/** JSONL or one JSON array, plain or in gzip, whichever the file is. Errors as rowFileOf. */
export async function* readJsonRows(path: string, options: ReadLinesOptions = {}): AsyncGenerator<JsonLine> {
  const { kind, blocks } = await rowFileOf(path);
  yield* kind === "array" ? readJsonArray(path, { ...options, blocks }) : readJsonLines(path, { ...options, blocks });
}

/**
 * The elements of the outer array, each with the line it begins on. Brackets are counted, not validated: an element that
 * is no JSON is reported like a bad line, and the ones after it are still found as long as brackets and quotes match.
 */
export async function* readJsonArray(path: string, options: ReadLinesOptions = {}): AsyncGenerator<JsonLine> {
  const { maxLineBytes = DEFAULT_MAX_LINE_BYTES, blockBytes, blocks = readBlocks } = options;
  let held: Buffer[] = [];
  let heldBytes = 0;
  let depth = 0;
  let inText = false;
  let escaped = false;
  let line = 1;
  let blockOffset = 0;
  // Where the current element's first character stands.
  let place: { line: number; offset: number } | undefined;
  const hold = (piece: Buffer) => {
    heldBytes += piece.length;
    if (heldBytes <= maxLineBytes) held.push(piece);
    else held = [];
  };
  const take = (): JsonLine[] => {
    const found = place === undefined ? [] : [parseElement(place, heldBytes, maxLineBytes, held)];
    held = [];
    heldBytes = 0;
    place = undefined;
    return found;
  };
  for await (const block of blocks(path, blockBytes)) {
    let start = 0;
    for (let at = 0; at < block.length; at += 1) {
      const byte = block[at]!;
      if (byte === NEWLINE) line += 1;
      if (inText) {
        if (escaped) escaped = false;
        else if (byte === BACKSLASH) escaped = true;
        else if (byte === QUOTE) inText = false;
        continue;
      }
      const closes = byte === CLOSE || byte === CLOSE_BRACE;
      if (closes) depth -= 1;
      if ((byte === COMMA && depth === 1) || (closes && depth === 0)) {
        hold(block.subarray(start, at));
        yield* take();
        start = at + 1;
      } else if (depth === 0) {
        start = at + 1;
      } else if (place === undefined && byte > 32) {
        place = { line, offset: blockOffset + at };
        start = at;
      }
      if (byte === OPEN || byte === OPEN_BRACE) depth += 1;
      else if (byte === QUOTE && depth > 0) inText = true;
    }
    if (place !== undefined) hold(block.subarray(start));
    blockOffset += block.length;
  }
  yield* take();
}

function parseElement(place: { line: number; offset: number }, bytes: number, limit: number, held: Buffer[]): JsonLine {
  if (bytes > limit) {
    return { ...place, problem: "line-too-long", message: `the element has ${bytes} bytes; at most ${limit} are read` };
  }
  try {
    const text = new TextDecoder("utf-8", { fatal: true }).decode(Buffer.concat(held));
    return { ...place, value: parseJson(text) };
  } catch (error) {
    if (error instanceof SyntaxError)
      return { ...place, problem: "json-invalid", message: `not JSON: ${error.message}` };
    return { ...place, problem: "not-utf8", message: "the element is not UTF-8 text" };
  }
}
