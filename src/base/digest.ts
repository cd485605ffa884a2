import { createHash, hash } from "node:crypto";
import { createReadStream } from "node:fs";
import { canonicalJson } from "./json.js";

/** sha256 of bytes or of a string's UTF-8 form, as 64 lower-case hex digits. */
export function sha256(data: string | Uint8Array): string {
  return hash("sha256", data, "hex");
}

/** sha256 of the canonical JSON of a value. */
export function digestOf(value: unknown): string {
  return sha256(canonicalJson(value));
}

/** sha256 and size of a file, read in blocks. */
export async function sha256File(path: string): Promise<{ sha256: string; bytes: number }> {
  const digest = createHash("sha256");
  let bytes = 0;
  for await (const block of createReadStream(path, { highWaterMark: 1 << 20 })) {
    const chunk = block as Buffer;
    digest.update(chunk);
    bytes += chunk.length;
  }
  return { sha256: digest.digest("hex"), bytes };
}
