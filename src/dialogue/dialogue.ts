/** The canonical dialogue: the one form that every stage after import reads. */
import { z } from "zod";
import { digestOf, type JsonObject } from "../base/index.js";

export const textPartSchema = z.strictObject({ type: z.literal("text"), text: z.string() });
/** A canonical image, by the sha256 of its PNG file; width and height in pixels. */
export const imagePartSchema = z.strictObject({
  type: z.literal("image"),
  hash: z.string().regex(/^[0-9a-f]{64}$/),
  width: z.number().int().positive(),
  height: z.number().int().positive(),
});
export const contentPartSchema = z.discriminatedUnion("type", [textPartSchema, imagePartSchema]);
export type TextPart = z.infer<typeof textPartSchema>;
export type ImagePart = z.infer<typeof imagePartSchema>;
export type ContentPart = z.infer<typeof contentPartSchema>;

const jsonObject = z.record(z.string(), z.json()) as z.ZodType<JsonObject>;

export const toolCallSchema = z.strictObject({ id: z.string().optional(), name: z.string(), arguments: jsonObject });
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
  tools: z.array(jsonObject).optional(),
  tags: z.record(z.string(), z.string()).optional(),
});
export type Dialogue = z.infer<typeof dialogueSchema>;

/** Identity of a dialogue's content for resume: where it was read from does not count. */
export function dialogueDigest(dialogue: Dialogue): string {
  const { id, messages, tools, tags } = dialogue;
  return digestOf({ id, messages, tools, tags });
}
