import { type BodyPiece, bytesInOrder } from "../../src/sglang/index.js";

/** A request's body as a server would get it. */
export async function bodyBytes(pieces: readonly BodyPiece[]): Promise<Buffer> {
  const parts: Buffer[] = [];
  for await (const part of bytesInOrder(pieces)) parts.push(part);
  return Buffer.concat(parts);
}
