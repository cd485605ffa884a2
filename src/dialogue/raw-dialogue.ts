/** A dialogue as its row says it: roles and parts sorted out, pictures still named by path or address. */
import type { JsonObject } from "../base/index.js";
import type { Role, TextPart, ToolCall } from "./dialogue.js";

/** Names an image: a path, a file address, a data URI. */
export interface RawImagePart {
  type: "image";
  reference: string;
  /** What the row asks of its size; undefined where nothing. */
  size?: OwnSize;
}

/** Limits or a size for one image, as Qwen's tools take them beside it. In pixels. */
export interface OwnSize {
  minPixels?: number;
  maxPixels?: number;
  /** Only together with `width`. */
  height?: number;
  width?: number;
}

/** Frames as pictures are named; times as in the canonical part. */
export interface RawVideoPart {
  type: "video";
  frames: string[];
  fps: number;
  indices: number[];
}

export type RawPart = TextPart | RawImagePart | RawVideoPart;

export interface RawMessage {
  role: Role;
  content: RawPart[];
  reasoning?: string;
  toolCalls?: ToolCall[];
  toolCallId?: string;
}

export interface RawDialogue {
  id: string | undefined;
  messages: RawMessage[];
  tools?: JsonObject[];
  tags?: Record<string, string>;
}
