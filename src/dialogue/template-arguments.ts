/** Arguments of the chat template, as the stages that render or ask take them. */
import { z } from "zod";
import type { JsonObject } from "../base/index.js";

export const thinkingSchema = z.enum(["on", "off", "default"]);
export const chatTemplateKwargsSchema = z.record(z.string(), z.json());

export interface TemplateOptions {
  /** Undefined: as `recorded` has it. */
  thinking?: z.infer<typeof thinkingSchema> | undefined;
  chatTemplateKwargs?: z.infer<typeof chatTemplateKwargsSchema> | undefined;
}

/**
 * The arguments in force. `thinking` on or off sets `enable_thinking`; default leaves it to the template, unless
 * `chatTemplateKwargs` names it.
 *
 * @param recorded - arguments that data was made with; they count where an option is left out
 */
export function templateArguments(
  { thinking, chatTemplateKwargs }: TemplateOptions,
  recorded: JsonObject = {},
): JsonObject {
  const given = { ...(chatTemplateKwargs ?? recorded) } as JsonObject;
  if (thinking === undefined) return given;
  if (thinking !== "default") return { ...given, enable_thinking: thinking === "on" };
  if (chatTemplateKwargs === undefined) delete given.enable_thinking;
  return given;
}
