/** The message inside an error answer, whichever of the three forms it has. */
import { isJsonObject } from "../base/index.js";
import { excerpt, parseBounded } from "./bounded-json.js";

/**
 * Chat answers errors as `{object: "error", message, ...}`; /generate as `{"error": {"message"}}` (vLLM too) or
 * `{"error": "text"}`; the web framework as `{"detail": ...}`; proxies as text.
 */
export function errorMessage(body: Buffer): string {
  try {
    const value = parseBounded(body);
    if (isJsonObject(value)) {
      if (typeof value.message === "string") return short(value.message);
      if (typeof value.error === "string") return short(value.error);
      if (isJsonObject(value.error) && typeof value.error.message === "string") return short(value.error.message);
      if (value.detail !== undefined) return short(JSON.stringify(value.detail));
    }
  } catch {
    // Not JSON: a proxy's page or an empty body.
  }
  return excerpt(body);
}

/**
 * Messages may quote whole prompts; a few hundred characters are enough for a person. Memory addresses and request ids
 * differ at every try, and these words end up in artifacts that must come out the same.
 */
function short(message: string): string {
  const line = message
    .replace(/\b0x[0-9a-f]{6,}\b/gi, "0x...")
    .replace(/\b[0-9a-f]{8}(-?)[0-9a-f]{4}\1[0-9a-f]{4}\1[0-9a-f]{4}\1[0-9a-f]{12}\b/gi, "...")
    .replace(/\s+/g, " ")
    .trim();
  return line.length > 400 ? `${line.slice(0, 400)}...` : line;
}
