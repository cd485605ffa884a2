/**
 * JSON request bodies put together as bytes, so that megabytes of images never become one JavaScript string, and a
 * picture that is kept is sent from where it lies: copying 200 KB into a body of its own takes longer than sending it.
 */
import { stringifyJson } from "../base/index.js";

/** An image as base64 text, as bytes ready for a data URI. The bytes never change: requests share them. */
export interface EncodedImage {
  base64: Buffer;
}

/** An image that is read while it is sent, again for each attempt: its request takes minutes and is one of many. */
export interface StreamedImage {
  /** Of its base64 text. */
  bytes: number;
  /** The base64 text in parts. */
  read(): AsyncIterable<Buffer>;
}

export type RequestImage = EncodedImage | StreamedImage;

export type BodyPiece = Buffer | StreamedImage;

/** A request's body in pieces, to be sent one after the other. */
export interface RequestBody {
  pieces: readonly BodyPiece[];
  /** Of all pieces together. */
  bytes: number;
}

export const PNG_DATA_URI = "data:image/png;base64,";

/** Smaller pieces are copied together: a write of its own costs about as much as copying this. */
const LEAST_PIECE_BYTES = 32 << 10;

/** Pieces of text and bytes in order; text is written as UTF-8, bytes as they are. */
export class BodyBuilder {
  private readonly pieces: BodyPiece[] = [];
  private text = "";

  /** Appends text that is already JSON. */
  raw(json: string): this {
    this.text += json;
    return this;
  }

  /** Appends a value as JSON. */
  value(value: unknown): this {
    this.text += stringifyJson(value);
    return this;
  }

  /** Appends a JSON string that holds the picture as a data URI. */
  image(image: RequestImage): this {
    this.text += `"${PNG_DATA_URI}`;
    if ("read" in image) this.piece(image);
    else if (image.base64.length >= LEAST_PIECE_BYTES) this.piece(image.base64);
    else this.text += image.base64.toString("latin1");
    this.text += '"';
    return this;
  }

  build(): RequestBody {
    const pieces = [...this.pieces, Buffer.from(this.text, "utf8")];
    return { pieces, bytes: pieces.reduce((sum, piece) => sum + bytesOf(piece), 0) };
  }

  private piece(piece: BodyPiece): void {
    this.pieces.push(Buffer.from(this.text, "utf8"), piece);
    this.text = "";
  }
}

/** The pieces' bytes in order; what is streamed is read when it is its turn. */
export async function* bytesInOrder(pieces: readonly BodyPiece[]): AsyncGenerator<Buffer> {
  for (const piece of pieces) {
    if ("read" in piece) yield* piece.read();
    else yield piece;
  }
}

function bytesOf(piece: BodyPiece): number {
  return "read" in piece ? piece.bytes : piece.length;
}
