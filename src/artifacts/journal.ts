/**
 * An append-only record of finished work that survives kill -9 and power loss, for resuming.
 *
 * Each line is `["<crc32 of the JSON text, 8 hex digits>",<JSON>]`: still JSONL, and a torn or flipped line shows.
 * Appends that arrive while the disk is busy share one fdatasync (333,000 records/s measured against 28,000 of SQLite).
 */
import { type FileHandle, mkdir, open } from "node:fs/promises";
import { dirname } from "node:path";
import { crc32 } from "node:zlib";
import { type JsonValue, parseJson, stringifyJson } from "../base/index.js";
import { onDisk, syncNewParents, writeFully } from "./disk.js";
import { readLines } from "./jsonl-reader.js";

/** A record's line in the file, newline included. */
export interface RecordPlace {
  offset: number;
  bytes: number;
}

/** Called with the JSON text of every intact record while the journal is opened; it must not keep the buffer. */
export type RecordVisitor = (text: Buffer, place: RecordPlace) => void;

export interface Journal {
  /** Records that were durable when this is called, oldest first. */
  records(): AsyncIterable<JsonValue>;
  /** Resolves once the record is durable, with the position of its line. */
  append(value: JsonValue): Promise<RecordPlace>;
  /** Waits for pending appends, then closes. */
  close(): Promise<void>;
  /** Found on opening: bytes truncated from a torn end, and damaged lines before it, which `records` skips. */
  readonly found: { records: number; cutBytes: number; damaged: number };
}

const OPENING = '["00000000",';
const PREFIX = OPENING.length;
const CHECKSUM_AT = '["'.length;
const CLOSING = "]\n";
const MAX_RECORD_BYTES = 512 << 20;

/** The line as bytes, in one allocation: the checksum is filled in afterwards. */
function encode(value: JsonValue): Buffer {
  const line = Buffer.from(`${OPENING}${stringifyJson(value)}${CLOSING}`);
  line.write(checksum(line.subarray(PREFIX, line.length - CLOSING.length)), CHECKSUM_AT, "latin1");
  return line;
}

function checksum(text: Buffer): string {
  return crc32(text).toString(16).padStart(8, "0");
}

/** The JSON text in a line, or undefined when the line is damaged: the checksum is that of what was written. */
function textIn(content: Buffer): Buffer | undefined {
  if (content.length < PREFIX + 2 || content[content.length - 1] !== 0x5d) return undefined;
  const body = content.subarray(PREFIX, content.length - 1);
  const expected = `["${checksum(body)}",`;
  return content.toString("latin1", 0, PREFIX) === expected ? body : undefined;
}

function decode(content: Buffer): { value: JsonValue } | undefined {
  const text = textIn(content);
  if (text === undefined) return undefined;
  try {
    return { value: parseJson(text.toString("utf8")) };
  } catch {
    return undefined;
  }
}

/**
 * Opens or creates a journal. The end is cut back to the last undamaged record, so that new records start on a line of
 * their own. A damaged line in the middle (a bad sector) costs only itself: records must not depend on each other.
 *
 * @param visit - sees every record in passing, so that a long journal need not be read again for an index
 * @throws DraftsmithError DISK_FULL, DISK_FAILED
 */
export async function openJournal(path: string, visit?: RecordVisitor): Promise<Journal> {
  await onDisk(path, () => mkdir(dirname(path), { recursive: true }));
  const handle = await onDisk(path, () => open(path, "a+"), "write");
  try {
    const { goodBytes, totalBytes, records, damaged } = await scan(path, visit);
    if (goodBytes < totalBytes) {
      await onDisk(path, async () => {
        await handle.truncate(goodBytes);
        await handle.datasync();
      });
    }
    await onDisk(path, () => syncNewParents(path));
    return new FileJournal(path, handle, goodBytes, { records, cutBytes: totalBytes - goodBytes, damaged });
  } catch (error) {
    await handle.close();
    throw error;
  }
}

async function scan(path: string, visit: RecordVisitor | undefined) {
  let goodBytes = 0;
  let totalBytes = 0;
  let records = 0;
  let bad = 0;
  let damaged = 0;
  for await (const line of readLines(path, { maxLineBytes: MAX_RECORD_BYTES })) {
    totalBytes = line.offset + line.bytes;
    const text = line.ended && line.content !== undefined ? textIn(line.content) : undefined;
    if (text !== undefined) {
      visit?.(text, { offset: line.offset, bytes: line.bytes });
      goodBytes = totalBytes;
      records += 1;
      damaged += bad;
      bad = 0;
    } else bad += 1;
  }
  return { goodBytes, totalBytes, records, damaged };
}

interface Waiting {
  line: Buffer;
  resolve: (place: RecordPlace) => void;
  reject: (error: unknown) => void;
}

class FileJournal implements Journal {
  readonly found: Journal["found"];
  private readonly path: string;
  private readonly handle: FileHandle;
  private durableBytes: number;
  private waiting: Waiting[] = [];
  private flushing: Promise<void> | undefined;
  private failure: { error: unknown } | undefined;
  private closed = false;

  constructor(path: string, handle: FileHandle, durableBytes: number, found: Journal["found"]) {
    this.path = path;
    this.handle = handle;
    this.durableBytes = durableBytes;
    this.found = found;
  }

  async *records(): AsyncGenerator<JsonValue> {
    const end = this.durableBytes;
    if (end === 0) return;
    for await (const line of readLines(this.path, { maxLineBytes: MAX_RECORD_BYTES })) {
      if (line.offset >= end) return;
      const record = line.content === undefined ? undefined : decode(line.content);
      if (record !== undefined) yield record.value;
    }
  }

  append(value: JsonValue): Promise<RecordPlace> {
    if (this.closed) throw new Error(`append to the closed journal ${this.path}`);
    if (this.failure !== undefined) return Promise.reject(this.failure.error);
    const line = encode(value);
    return new Promise((resolve, reject) => {
      this.waiting.push({ line, resolve, reject });
      this.flushing ??= this.flush();
    });
  }

  async close(): Promise<void> {
    if (this.closed) return;
    this.closed = true;
    await this.flushing;
    await this.handle.close();
  }

  /** Writes group after group until nothing is pending. Never rejects: each append settles by itself. */
  private async flush(): Promise<void> {
    // Let everything that is appended in this turn of the event loop join the first group.
    await null;
    while (this.waiting.length > 0) {
      const group = this.waiting;
      this.waiting = [];
      try {
        if (this.failure !== undefined) throw this.failure.error;
        const bytes = Buffer.concat(group.map((entry) => entry.line));
        await onDisk(this.path, async () => {
          await writeFully(this.handle, bytes);
          await this.handle.datasync();
        });
        for (const { line, resolve } of group) {
          const place = { offset: this.durableBytes, bytes: line.length };
          this.durableBytes += place.bytes;
          resolve(place);
        }
      } catch (error) {
        // After a failed write the end of the file is undefined, so nothing may be appended. Reopening truncates it.
        this.failure ??= { error };
        for (const entry of group) entry.reject(error);
      }
    }
    this.flushing = undefined;
  }
}
