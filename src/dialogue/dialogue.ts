/** The canonical dialogue: the one form that every stage after import reads. */
import { z } from "zod";
import { digestOf } from "../base/index.js";
import { jsonObjectSchema } from "./json-object.js";
import { haveOneSize, isRising, MAX_FPS, MAX_FRAME_INDEX, MIN_FPS } from "./video-rules.js";

export const textPartSchema = z.strictObject({ type: z.literal("text"), text: z.string() });
/** A canonical picture, by the sha256 of its PNG file; width and height in pixels. */
export const pictureSchema = z.strictObject({
  hash: z.string().regex(/^[0-9a-f]{64}$/),
  width: z.number().int().positive(),
  height: z.number().int().positive(),
});
export const imagePartSchema = z.strictObject({ type: z.literal("image"), ...pictureSchema.shape });
/** A video as its frames, already chosen: no step samples any of them away. */
export const videoPartSchema = z
  .strictObject({
    type: z.literal("video"),
    /** In order of time, all of one size. */
    frames: z.array(pictureSchema).min(1),
    /** Frames a second of the video that `indices` count in. */
    fps: z.number().min(MIN_FPS).max(MAX_FPS),
    /** The place of every frame in that video, never falling; with fps 1 these are seconds. */
    indices: z.array(z.number().min(0).max(MAX_FRAME_INDEX)),
  })
  .refine(({ frames, indices }) => frames.length === indices.length, {
    path: ["indices"],
    error: "there must be one index for each frame",
  })
  .refine(({ indices }) => isRising(indices), { path: ["indices"], error: "indices must not fall" })
  .refine(({ frames }) => haveOneSize(frames), { path: ["frames"], error: "all frames must have one size" });
export const contentPartSchema = z.discriminatedUnion("type", [textPartSchema, imagePartSchema, videoPartSchema]);
export type TextPart = z.infer<typeof textPartSchema>;
export type Picture = z.infer<typeof pictureSchema>;
export type ImagePart = z.infer<typeof imagePartSchema>;
export type VideoPart = z.infer<typeof videoPartSchema>;
export type ContentPart = z.infer<typeof contentPartSchema>;

export const toolCallSchema = z.strictObject({
  id: z.string().optional(),
  name: z.string(),
  arguments: jsonObjectSchema,
});
export type ToolCall = z.infer<typeof toolCallSchema>;

export const roleSchema = z.enum(["system", "user", "assistant", "tool"]);
export type Role = z.infer<typeof roleSchema>;

export const messageSchema = z.strictObject({
  role: roleSchema,
  content: z.array(contentPartSchema),
  /** What the model thought, without the think tags. Assistant messages only. */
  reasoning: z.string().optional(),
  toolCalls: z.array(toolCallSchema).optional(),
  toolCallId: z.string().optional(),
});
export type Message = z.infer<typeof messageSchema>;

export const dialogueSchema = z.strictObject({
  id: z.string().min(1),
  /** The file (relative to the import's root) and line that it was read from; lines count from 1. */
  source: z.strictObject({ file: z.string(), line: z.number().int().positive() }),
  messages: z.array(messageSchema).min(1),
  tools: z.array(jsonObjectSchema).optional(),
  tags: z.record(z.string(), z.string()).optional(),
});
export type Dialogue = z.infer<typeof dialogueSchema>;

/** Identity of a dialogue's content for resume: where it was read from does not count. */
export function dialogueDigest(dialogue: Dialogue): string {
  const { id, messages, tools, tags } = dialogue;
  return digestOf({ id, messages, tools, tags });
}
