/** The size of what a template may build. */
import { TemplateUnsupported } from "../errors.js";

/** Characters of a text and items of a list that a template may build. */
export const MAX_LENGTH = 2 ** 26;

/** Refuses a result longer than a template may build, before it is built. */
export function checkLength(length: number): void {
  if (length > MAX_LENGTH) throw new TemplateUnsupported(`a value of more than ${MAX_LENGTH} characters or items`);
}
