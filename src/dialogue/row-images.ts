/** The images that a row or a message lists beside its text, and the places in the text where they belong. */
import { canonicalJson, numberOf } from "../base/index.js";
import type { Fields, UnreadFields } from "./fields.js";
import { referenceOf } from "./image-reference.js";
import type { RawImagePart, RawPart } from "./raw-dialogue.js";
import { RowProblem } from "./row-problem.js";

export const PLACEHOLDER = "<image>";

/** Hands out listed images in order, and knows at the end whether the count was right. */
export class RowImages {
  private readonly references: string[];
  private taken = 0;

  /**
   * @param listed names of images in any spelling
   * @param where where the list stands, for messages; "" for the row
   */
  constructor(
    listed: readonly unknown[],
    private readonly where: string,
    unread: UnreadFields,
  ) {
    this.references = listed.map((item, at) => referenceOf(item, this.at(`image ${at}`), unread));
  }

  /** Those under `images` or `image`, a list or a single one. */
  static in(fields: Fields): RowImages {
    if (!fields.has("images") && !fields.has("image")) return new RowImages([], fields.where, fields.unread);
    const [many, one] = ["images", "image"].map((key) => {
      const value = fields.take(key);
      return value === undefined || Array.isArray(value) ? value : [value];
    });
    if (many !== undefined && one !== undefined && canonicalJson(many) !== canonicalJson(one)) {
      throw fields.contradiction("images", "image");
    }
    return new RowImages(many ?? one ?? [], fields.where, fields.unread);
  }

  get listed(): number {
    return this.references.length;
  }

  next(): RawImagePart {
    const reference = this.references[this.taken];
    this.taken += 1;
    // A missing one is counted on, so that the message can say how many placeholders there are.
    return { type: "image", reference: reference ?? "" };
  }

  /** The next one, for a part that says the number of its image, counted from 0. */
  numbered(index: unknown, where: string): RawImagePart {
    if (numberOf(index) === this.taken) return this.next();
    const message = `${where}: \`index\` does not count the images in their order`;
    throw new RowProblem("image-placeholder-mismatch", message);
  }

  /** All of them, where the text marks no places. */
  takeAll(): RawImagePart[] {
    return this.taken > 0 ? [] : this.references.map(() => this.next());
  }

  finish(): void {
    if (this.taken === this.references.length) return;
    const message = `${this.taken} placeholders for ${this.references.length} listed images`;
    throw new RowProblem("image-placeholder-mismatch", this.at(message));
  }

  private at(text: string): string {
    return this.where === "" ? text : `${this.where}: ${text}`;
  }
}

/**
 * Cuts a text at its placeholders and puts the listed images there.
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
