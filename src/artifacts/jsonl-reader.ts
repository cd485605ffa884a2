/** Reading line-delimited JSON in large blocks, with line numbers, bounded lines and errors that name the place. */
import { isUtf8 } from "node:buffer";
import { DraftsmithError, type JsonValue, parseJson, TimeSlice } from "../base/index.js";
import { readBlocks } from "./byte-blocks.js";

export interface ReadLinesOptions {
  /** Lines above this many bytes are reported instead of being held in memory. */
  maxLineBytes?: number;
  blockBytes?: number;
  /** Where the bytes come from; the file as it is by default. Offsets count in what this gives. */
  blocks?: typeof readBlocks;
}

export interface Line {
  /** Counts from 1. */
  line: number;
  /** Position of the line's first byte in the file. */
  offset: number;
  /** Length of the line with its newline, if it has one. */
  bytes: number;
  /** The line without its newline; undefined when it is longer than allowed. */
  content: Buffer | undefined;
  /** False for a last line that lacks its newline. */
  ended: boolean;
}

export const DEFAULT_MAX_LINE_BYTES = 64 << 20;
const NEWLINE = 10;

/**
 * The lines of a file in order, empty ones too. Memory: one block and one line.
 * @throws DraftsmithError INPUT_MISSING, DISK_FAILED
 */
export async function* readLines(path: string, options: ReadLinesOptions = {}): AsyncGenerator<Line> {
  for await (const lines of readLineBlocks(path, options)) yield* lines;
}

/** The lines of one block at a time: handing each line through several generators would cost more than parsing it. */
export async function* readLineBlocks(path: string, options: ReadLinesOptions = {}): AsyncGenerator<Line[]> {
  const { maxLineBytes = DEFAULT_MAX_LINE_BYTES, blockBytes, blocks = readBlocks } = options;
  // The beginning of the current line, as far as earlier blocks hold it; dropped once it is too long.
  let held: Buffer[] = [];
  let heldBytes = 0;
  let line = 1;
  let lineOffset = 0;
  const take = (rest: Buffer, ended: boolean): Line => {
    const length = heldBytes + rest.length;
    const content = length > maxLineBytes ? undefined : held.length === 0 ? rest : Buffer.concat([...held, rest]);
    const item = { line, offset: lineOffset, bytes: length + (ended ? 1 : 0), content, ended };
    held = [];
    heldBytes = 0;
    line += 1;
    lineOffset += item.bytes;
    return item;
  };
  for await (const block of blocks(path, blockBytes)) {
    const lines: Line[] = [];
    let start = 0;
    for (let end = block.indexOf(NEWLINE); end >= 0; end = block.indexOf(NEWLINE, start)) {
      lines.push(take(block.subarray(start, end), true));
      start = end + 1;
    }
    if (lines.length > 0) yield lines;
    const rest = block.subarray(start);
    heldBytes += rest.length;
    if (heldBytes <= maxLineBytes) held.push(rest);
    else held = [];
  }
  if (heldBytes > 0) yield [take(Buffer.alloc(0), false)];
}

export type JsonLine =
  | { line: number; offset: number; value: JsonValue }
  | { line: number; offset: number; problem: "line-too-long" | "not-utf8" | "json-invalid"; message: string };

/**
 * Like readJsonl, but a bad line is a value: for stages that count bad rows instead of stopping. Also yields to the
 * event loop.
 */
export async function* readJsonLines(path: string, options: ReadLinesOptions = {}): AsyncGenerator<JsonLine> {
  const { maxLineBytes = DEFAULT_MAX_LINE_BYTES } = options;
  const slice = new TimeSlice();
  for await (const lines of readLineBlocks(path, options)) {
    for (const line of lines) {
      const parsed = parseLine(line, maxLineBytes);
      if (slice.isOver) await slice.yieldToEventLoop();
      if (parsed !== undefined) yield parsed;
    }
  }
}

/**
 * The values of a JSONL file with their line numbers; blank lines are skipped. Yields to the event loop between lines.
 *
 * @throws DraftsmithError INPUT_INVALID with file and line at the first bad line
 */
export async function* readJsonl(
  path: string,
  options: ReadLinesOptions = {},
): AsyncGenerator<{ line: number; offset: number; value: JsonValue }> {
  const { maxLineBytes = DEFAULT_MAX_LINE_BYTES } = options;
  const slice = new TimeSlice();
  for await (const lines of readLineBlocks(path, options)) {
    for (const line of lines) {
      const parsed = parseGoodLine(line, path, maxLineBytes);
      if (slice.isOver) await slice.yieldToEventLoop();
      if (parsed !== undefined) yield parsed;
    }
  }
}

/**
 * @returns undefined for a blank line
 * @throws DraftsmithError INPUT_INVALID with file and line
 */
export function parseGoodLine(
  line: Line,
  path: string,
  maxLineBytes = DEFAULT_MAX_LINE_BYTES,
): Extract<JsonLine, { value: JsonValue }> | undefined {
  const parsed = parseLine(line, maxLineBytes);
  if (parsed === undefined || "value" in parsed) return parsed;
  throw new DraftsmithError("INPUT_INVALID", parsed.message, { location: { file: path, line: parsed.line } });
}

/** undefined for a blank line. */
function parseLine({ line, offset, bytes, content }: Line, maxLineBytes: number): JsonLine | undefined {
  if (content === undefined) {
    const message = `the line has ${bytes} bytes; at most ${maxLineBytes} are read`;
    return { line, offset, problem: "line-too-long", message };
  }
  const json = withoutMark(line, content);
  if (isBlank(json)) return undefined;
  if (!isUtf8(json)) return { line, offset, problem: "not-utf8", message: "the line is not UTF-8 text" };
  try {
    return { line, offset, value: parseJson(json.toString("utf8")) };
  } catch (error) {
    return { line, offset, problem: "json-invalid", message: `not JSON: ${(error as Error).message}` };
  }
}

/** Whether a line is blank and therefore not a row. */
export function isBlankLine({ line, content }: Line): boolean {
  return content !== undefined && isBlank(withoutMark(line, content));
}

/** A byte order mark may open the first line. */
function withoutMark(line: number, content: Buffer): Buffer {
  const hasMark = line === 1 && content[0] === 0xef && content[1] === 0xbb && content[2] === 0xbf;
  return hasMark ? content.subarray(3) : content;
}

function isBlank(content: Buffer): boolean {
  for (const byte of content) if (byte !== 32 && byte !== 9 && byte !== 13) return false;
  return true;
}
