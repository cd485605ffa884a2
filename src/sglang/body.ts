/** JSON request bodies put together as bytes, so that megabytes of images never become one JavaScript string. */

/** A picture as base64 text, in bytes, ready to stand inside a data URI. */
export interface EncodedImage {
  base64: Buffer;
}

export const PNG_DATA_URI = "data:image/png;base64,";

/** Pieces of text and bytes in order; text is written as UTF-8, bytes as they are. */
export class BodyBuilder {
  private readonly pieces: (string | Buffer)[] = [];
  private text = "";

  /** Appends text that is already JSON. */
  raw(json: string): this {
    this.text += json;
    return this;
  }

  /** Appends a value as JSON. */
  value(value: unknown): this {
    this.text += JSON.stringify(value);
    return this;
  }

  /** Appends a JSON string that holds the picture as a data URI. */
  image(image: EncodedImage): this {
    this.text += `"${PNG_DATA_URI}`;
    this.pieces.push(this.text, image.base64);
    this.text = '"';
    return this;
  }

  build(): Buffer {
    if (this.pieces.length === 0) return Buffer.from(this.text, "utf8");
    this.pieces.push(this.text);
    let bytes = 0;
    for (const piece of this.pieces) bytes += typeof piece === "string" ? Buffer.byteLength(piece) : piece.length;
    const body = Buffer.allocUnsafe(bytes);
    let at = 0;
    for (const piece of this.pieces) {
      if (typeof piece === "string") at += body.write(piece, at);
      else at += piece.copy(body, at);
    }
    return body;
  }
}
