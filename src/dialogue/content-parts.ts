/** The content of one message: a text, in which placeholders may stand for listed images, or a list of parts. */
import { isJsonObject } from "../base/index.js";
import { Fields, type UnreadFields } from "./fields.js";
import { referenceOf } from "./image-reference.js";
import { ownSizeOf } from "./own-size.js";
import type { RawImagePart, RawPart } from "./raw-dialogue.js";
import { placeImages, type RowImages } from "./row-images.js";
import { RowProblem } from "./row-problem.js";
import { ENCODED_VIDEO_TYPES, encodedVideo, readVideoPart } from "./row-videos.js";

const TEXT_TYPES = ["text", "input_text", "output_text"];
const IMAGE_TYPES = ["image_url", "image", "input_image"];
const IMAGE_FIELDS = ["image_url", "image", "url", "path"];
const NAMED_FIELDS = [...IMAGE_FIELDS, "source"];
const VIDEO_FIELDS = ["video", "video_url", "frames"];
/** Tables that hold all kinds of parts have all columns in each of them; those of other kinds must be empty. */
const NOT_IN_TEXT = ["image", "image_url", ...VIDEO_FIELDS];
const NOT_IN_PICTURES = ["text"];
const NOT_IN_VIDEO = ["image_url", "image"];
const UNSUPPORTED = ["audio", "audio_url", "input_audio", "file", "file_id"];
const OF_ANOTHER = "belongs into a part of another type than";

/** Where a text's images come from, and what its placeholders mean. */
export interface ContentContext {
  images: RowImages;
  unread: UnreadFields;
  /** Whether `<image>` in this text is a placeholder. */
  placeholders: boolean;
  /** Whether one line break between an image and text is a separator, not text. */
  trimLineBreaks: boolean;
}

export function readContent(content: unknown, context: ContentContext, where: string): RawPart[] {
  if (content === undefined) return [];
  if (typeof content === "string") return textParts(content, context);
  if (!Array.isArray(content))
    throw new RowProblem("message-invalid", `${where}: its content is neither text nor a list`);
  return content.flatMap((part, at) => readPart(part, context, `${where}, part ${at}`));
}

function textParts(text: string, { placeholders, images, trimLineBreaks }: ContentContext): RawPart[] {
  if (placeholders) return placeImages(text, images, trimLineBreaks);
  return text === "" ? [] : [{ type: "text", text }];
}

function readPart(part: unknown, context: ContentContext, where: string): RawPart[] {
  if (typeof part === "string") return textParts(part, context);
  if (!isJsonObject(part)) throw new RowProblem("message-invalid", `${where} is no object`);
  const fields = new Fields(part, "part", where, context.unread);
  const parts = partsOf(part, fields, context);
  fields.finish();
  return parts;
}

function partsOf(part: Readonly<Record<string, unknown>>, fields: Fields, context: ContentContext): RawPart[] {
  const { where } = fields;
  const type = fields.take("type") ?? typeByField(part);
  if (typeof type === "string" && TEXT_TYPES.includes(type)) {
    if (typeof part.text !== "string") throw new RowProblem("message-invalid", `${where}: its text is no text`);
    fields.take("text");
    fields.refuse(UNSUPPORTED, "content-unsupported", "cannot be carried");
    fields.refuse(NOT_IN_TEXT, "fields-contradict", OF_ANOTHER, " text");
    return textParts(part.text, context);
  }
  fields.refuse(UNSUPPORTED, "content-unsupported", "cannot be carried");
  if (typeof type !== "string") throw unknownType(type, where);
  fields.refuse(NOT_IN_PICTURES, "fields-contradict", OF_ANOTHER, " image or video");
  if (IMAGE_TYPES.includes(type)) {
    fields.refuse(VIDEO_FIELDS, "fields-contradict", OF_ANOTHER, " image");
    return [imagePart(fields, context)];
  }
  if (type === "video") {
    fields.refuse(NOT_IN_VIDEO, "fields-contradict", OF_ANOTHER, " video");
    return [readVideoPart(fields)];
  }
  throw ENCODED_VIDEO_TYPES.includes(type) ? encodedVideo(where) : unknownType(type, where);
}

function unknownType(type: unknown, where: string): RowProblem {
  return new RowProblem("content-part-unknown", `${where}: type ${JSON.stringify(type)?.slice(0, 60)}`);
}

/** Parts as Qwen's tools write them may leave the type out. */
function typeByField(part: Readonly<Record<string, unknown>>): string | undefined {
  const has = (key: string): boolean => part[key] !== undefined && part[key] !== null;
  const kinds = ["text", "image", "image_url", "video"].filter(has);
  return kinds.length === 1 ? kinds[0] : undefined;
}

function imagePart(fields: Fields, { images, unread }: ContentContext): RawPart {
  const { where } = fields;
  const size = ownSizeOf(fields);
  const data = fields.take("data");
  const mediaType = data === undefined ? undefined : fields.takeOne(["media_type", "mime_type", "mimeType"]);
  const named = fields.takeOne(NAMED_FIELDS);
  if (data !== undefined && named !== undefined) throw fields.contradiction("data", "image");
  const source = data === undefined ? named : { data, media_type: mediaType };
  const part =
    source === undefined
      ? listedImage(fields, images)
      : { type: "image" as const, reference: referenceOf(source, where, unread) };
  return size === undefined ? part : { ...part, size };
}

/** Of a part that names no image itself. */
function listedImage(fields: Fields, images: RowImages): RawImagePart {
  const index = fields.take("index");
  return index === undefined ? images.next() : images.numbered(index, fields.where);
}
