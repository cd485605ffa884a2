/** The ways in which data sets name a picture, each as one reference: a path, an address or a data URI. */
import { isJsonObject, numberOf } from "../base/index.js";
import { Fields, type UnreadFields } from "./fields.js";
import { RowProblem } from "./row-problem.js";

/**
 * A path, an address or a data URI, bare or as an object: `{url}`, `{path}`, `{image}`; the dictionary of Hugging Face's
 * Image feature, `{bytes, path}`, in which bytes come before the path; Anthropic's source, `{type: "base64", media_type,
 * data}` or `{type: "url", url}`.
 */
export function referenceOf(value: unknown, where: string, unread: UnreadFields): string {
  if (typeof value === "string") return value;
  if (!isJsonObject(value)) throw new RowProblem("message-invalid", `${where}: it names no file and no address`);
  const fields = new Fields(value, "image", where, unread);
  const reference = readObject(fields);
  fields.finish();
  return reference;
}

const SOURCE_TYPES = ["base64", "url", "image", "image_url"];

function readObject(fields: Fields): string {
  fields.takeIfOneOf("type", SOURCE_TYPES);
  fields.refuse(["file_id"], "content-unsupported", "names a file on somebody's server");
  const bytes = fields.take("bytes");
  const data = fields.take("data");
  const named = fields.takeOne(["url", "image"]);
  const path = fields.take("path");
  if (named !== undefined && path !== undefined && named !== path) throw fields.contradiction("url", "path");
  // Beside bytes a path only says what they were called.
  if (bytes !== undefined && (data ?? named) !== undefined) throw fields.contradiction("bytes", "url");
  if (data !== undefined && (named ?? path) !== undefined) throw fields.contradiction("data", "url");
  if (bytes !== undefined) return dataUri("", base64Of(bytes, fields));
  if (data !== undefined)
    return dataUri(textOf(fields.takeOne(["media_type", "mime_type", "mimeType"]) ?? "", fields), textOf(data, fields));
  return textOf(named ?? path, fields);
}

function textOf(value: unknown, fields: Fields): string {
  if (typeof value === "string") return value;
  throw fields.problem("message-invalid", "it names no file and no address");
}

function dataUri(mediaType: string, base64: string): string {
  return `data:${mediaType.replaceAll(",", "")};base64,${base64}`;
}

/** Bytes in JSON are base64 text, or a list of numbers as some writers of tables give it. */
function base64Of(bytes: unknown, fields: Fields): string {
  if (typeof bytes === "string") return bytes;
  const numbers = Array.isArray(bytes) ? bytes.map(numberOf) : [];
  if (numbers.length > 0 && numbers.every(isByte)) return Buffer.from(numbers).toString("base64");
  throw fields.problem("message-invalid", "its `bytes` are neither base64 text nor a list of bytes");
}

function isByte(value: number | undefined): value is number {
  return value !== undefined && Number.isInteger(value) && value >= 0 && value <= 255;
}
