/** The message of an error response, in any of its forms. */
import { isJsonObject, type JsonObject } from "../base/index.js";
import { excerpt, parseBounded } from "./bounded-json.js";

interface ServerError {
  message: string;
  /** The engine's own word for the kind, such as BadRequestError. */
  type: string | undefined;
}

/** Longer ones are no names. */
const TYPE = /^[\w .-]{1,60}$/;

/**
 * Chat answers errors as `{object: "error", message, type, ...}` (older vLLM, too); /generate as
 * `{"error": {"message"}}` (newer vLLM with a type) or `{"error": "text"}`; the web framework as `{"detail": ...}`;
 * proxies as text.
 */
function readServerError(body: Buffer): ServerError {
  try {
    const value = parseBounded(body);
    if (isJsonObject(value)) {
      const found = said(value) ?? (isJsonObject(value.error) ? said(value.error) : undefined);
      if (found !== undefined) return found;
      if (typeof value.error === "string") return { message: short(value.error), type: undefined };
      if (value.detail !== undefined) return { message: short(JSON.stringify(value.detail)), type: undefined };
    }
  } catch {
    // Not JSON: a proxy's page or an empty body.
  }
  return { message: excerpt(body), type: undefined };
}

/** On one line: `HTTP 400 (BadRequestError): the message`. */
export function describeServerError(status: number, body: Buffer): string {
  const { message, type } = readServerError(body);
  return `HTTP ${status}${type === undefined ? "" : ` (${type})`}: ${message}`;
}

function said({ message, type }: JsonObject): ServerError | undefined {
  if (typeof message !== "string") return undefined;
  return { message: short(message), type: typeof type === "string" && TYPE.test(type) ? type : undefined };
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
