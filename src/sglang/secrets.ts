/** Removes keys from server responses: a server that echoes request headers would put them into logs and rows. */

import { HIDDEN } from "../base/index.js";

/** Shorter ones could be ordinary words, and removing those would garble messages. */
const LEAST_LENGTH = 6;

export class Secrets {
  private readonly words: string[];

  /** @param values - header values and passwords; the key behind "Bearer " counts alone, too */
  constructor(values: readonly string[]) {
    const parts = values.flatMap((value) => [value, ...value.split(/\s+/)]);
    const escaped = parts.flatMap((part) => [part, JSON.stringify(part).slice(1, -1), encodeURIComponent(part)]);
    // The longest first, so that no part of a key remains.
    this.words = [...new Set(escaped)]
      .filter((word) => word.length >= LEAST_LENGTH && !/^(basic|bearer)$/i.test(word))
      .sort((a, b) => b.length - a.length);
  }

  hide(text: string): string {
    return this.words.reduce((rest, word) => rest.replaceAll(word, HIDDEN), text);
  }

  /** @returns the same buffer where there is nothing to hide */
  hideIn(body: Buffer): Buffer {
    return this.words.some((word) => body.includes(word)) ? Buffer.from(this.hide(body.toString("utf8"))) : body;
  }
}
