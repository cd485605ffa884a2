/** Limits on the values that a template may build. */
import { TemplateUnsupported } from "../errors.js";

export const MAX_CHARACTERS = 2 ** 26;
export const MAX_ITEMS = 2 ** 20;

/** Rejects a text longer than a template may build, before it is built. */
export function checkLength(characters: number): void {
  if (characters > MAX_CHARACTERS) throw new TemplateUnsupported(`a text of more than ${MAX_CHARACTERS} characters`);
}

/** Rejects a list longer than a template may build, before it is built. */
export function checkItems(items: number): void {
  if (items > MAX_ITEMS) throw new TemplateUnsupported(`a list of more than ${MAX_ITEMS} items`);
}
