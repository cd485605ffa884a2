/** What a file that should hold rows really is: JSONL or a JSON array, plain or in gzip, or something to be refused by name. */
import { open } from "node:fs/promises";
import { DraftsmithError } from "../base/index.js";
import { readBlocks, readGzipBlocks } from "./byte-blocks.js";
import { onDisk, readFully } from "./disk.js";

/** How the rows of a file are to be read. */
export interface RowFile {
  kind: "lines" | "array";
  blocks: (path: string, blockBytes?: number) => AsyncGenerator<Buffer>;
}

/** Beginnings of files that no reader of rows takes, with what to do about them. */
const FOREIGN: readonly (readonly [start: string, name: string, hint: string])[] = [
  ["\xff\xfe\0\0", "UTF-32 text", "convert it: iconv -f UTF-32 -t UTF-8"],
  ["\0\0\xfe\xff", "UTF-32 text", "convert it: iconv -f UTF-32 -t UTF-8"],
  ["\xff\xfe", "UTF-16 text", "convert it: iconv -f UTF-16 -t UTF-8"],
  ["\xfe\xff", "UTF-16 text", "convert it: iconv -f UTF-16 -t UTF-8"],
  ["PAR1", "a Parquet file", "export it as JSONL"],
  ["ARROW1", "an Arrow file", "export it as JSONL"],
  ["PK\x03\x04", "a zip archive", "unpack it"],
  ["\x28\xb5\x2f\xfd", "compressed with zstd", "unpack it, or compress it with gzip"],
  ["\xfd7zXZ\0", "compressed with xz", "unpack it, or compress it with gzip"],
  ["BZh", "compressed with bzip2", "unpack it, or compress it with gzip"],
];
const GZIP = "\x1f\x8b";
const HEAD_BYTES = 4096;

/**
 * Looks at the beginning of a file of rows.
 * @throws DraftsmithError INPUT_INVALID for a file that is something else, INPUT_MISSING, DISK_FAILED
 */
export async function rowFileOf(path: string): Promise<RowFile> {
  const plain = await headOf(path);
  const isGzip = plain.startsWith(GZIP);
  const blocks = isGzip ? readGzipBlocks : readBlocks;
  const head = isGzip ? await firstBlock(readGzipBlocks(path, HEAD_BYTES)) : plain;
  const foreign = FOREIGN.find(([start]) => head.startsWith(start)) ?? withoutMark(head);
  if (foreign !== undefined) {
    const [, name, hint] = foreign;
    const what = isGzip ? `the file in this gzip file is ${name}` : `the file is ${name}`;
    throw new DraftsmithError("INPUT_INVALID", `${what}, not JSONL or a JSON array in UTF-8`, {
      location: { file: path },
      hint,
    });
  }
  const text = head.replace(/^\xef\xbb\xbf/, "").trimStart();
  return { kind: text.startsWith("[") ? "array" : "lines", blocks };
}

/** UTF-16 without its byte order mark: no JSON has a zero byte beside its first character. */
function withoutMark(head: string): (typeof FOREIGN)[number] | undefined {
  return ["{\0", "[\0", "\0{", "\0["].some((start) => head.startsWith(start)) ? FOREIGN[2] : undefined;
}

async function firstBlock(blocks: AsyncGenerator<Buffer>): Promise<string> {
  for await (const block of blocks) return block.toString("latin1");
  return "";
}

async function headOf(path: string): Promise<string> {
  const handle = await onDisk(path, () => open(path, "r"));
  try {
    const head = Buffer.alloc(HEAD_BYTES);
    return head.toString("latin1", 0, await onDisk(path, () => readFully(handle, head, 0)));
  } finally {
    await handle.close();
  }
}
