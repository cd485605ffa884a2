/** The images that a row lists beside its messages, and the places in the text where they belong. */
import { isJsonObject } from "../base/index.js";
import type { RawImagePart, RawPart } from "./raw-dialogue.js";
import { RowProblem } from "./row-problem.js";

export const PLACEHOLDER = "<image>";

/** Hands out a row's images in order, and knows at the end whether the count was right. */
export class RowImages {
  readonly #references: string[];
  #taken = 0;

  /** @param listed the row's `images` or `image` */
  constructor(listed: unknown) {
    const items = listed === undefined || listed === null ? [] : Array.isArray(listed) ? listed : [listed];
    this.#references = items.map((item, at) => referenceOf(item, `image ${at}`));
  }

  get listed(): number {
    return this.#references.length;
  }

  next(): RawImagePart {
    const reference = this.#references[this.#taken];
    this.#taken += 1;
    // A missing one is counted on, so that the message can say how many placeholders there are.
    return { type: "image", reference: reference ?? "" };
  }

  finish(): void {
    if (this.#taken !== this.#references.length) {
      const message = `${this.#taken} placeholders for ${this.#references.length} listed images`;
      throw new RowProblem("image-placeholder-mismatch", message);
    }
  }
}

/** A path or address, bare or as `{url}`, `{path}` or `{image}`. */
export function referenceOf(value: unknown, where: string): string {
  if (typeof value === "string") return value;
  if (isJsonObject(value)) {
    for (const key of ["url", "path", "image"]) {
      const inner = value[key];
      if (typeof inner === "string") return inner;
    }
  }
  throw new RowProblem("message-invalid", `${where}: it names no file and no address`);
}

/**
 * Cuts a text at its placeholders and puts the row's images there.
 * @param trim drops one line break next to an image, where a form uses it as a separator
 */
export function placeImages(text: string, images: RowImages, trim: boolean): RawPart[] {
  const pieces = text.split(PLACEHOLDER);
  const last = pieces.length - 1;
  const parts: RawPart[] = [];
  pieces.forEach((piece, at) => {
    let words = piece;
    if (trim && at > 0) words = words.replace(/^\r?\n/, "");
    if (trim && at < last) words = words.replace(/\r?\n$/, "");
    if (words !== "") parts.push({ type: "text", text: words });
    if (at < last) parts.push(images.next());
  });
  return parts;
}
