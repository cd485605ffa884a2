/** The option `systemPrompt`: one form for every stage that asks, renders or checks prompts. */
import { z } from "zod";
import { type JsonObject, sha256 } from "../base/index.js";
import type { Message } from "./dialogue.js";
import { plainText } from "./request-message.js";

const POLICIES = ["keep", "set", "refuse-if-different"] as const;

export const systemPromptSchema = z
  .strictObject(
    {
      policy: z
        .enum(POLICIES)
        .default("keep")
        .describe(
          "keep: each dialogue's own; set: `text` replaces it everywhere; refuse-if-different: dialogues with another one are refused",
        ),
      text: z
        .string()
        .optional()
        .describe("the system prompt, for set and refuse-if-different; an empty text is no system prompt at all"),
    },
    { error: (issue) => (issue.code === "invalid_type" ? formerSpelling(issue.input) : undefined) },
  )
  .refine((value) => value.policy === "keep" || value.text !== undefined, {
    path: ["text"],
    error: "needed with this policy",
  })
  .refine((value) => value.policy !== "keep" || value.text === undefined, {
    path: ["text"],
    error: "has no effect with policy keep; did you mean policy: set?",
  });
export type SystemPromptOption = z.infer<typeof systemPromptSchema>;

/** The default of every stage. */
export const KEEP_SYSTEM_PROMPT: SystemPromptOption = { policy: "keep" };

/** `validate` once took the text itself, null or the word keep. */
function formerSpelling(input: unknown): string | undefined {
  if (input === null) return 'expected a map; no system prompt is written {policy: set, text: ""}';
  if (typeof input !== "string") return undefined;
  const form = input === "keep" ? "{policy: keep}" : "{policy: set, text: ...}";
  return `expected a map, not a text: write ${form}, as in every stage`;
}

/** What requests carry; null is no system prompt, undefined each dialogue's own. */
export function declaredPrompt({ policy, text = "" }: SystemPromptOption): string | null | undefined {
  if (policy === "keep") return undefined;
  return text === "" ? null : text;
}

/** The text of the system message that opens a dialogue, or null where there is none. */
export function systemText(messages: readonly Message[]): string | null {
  const first = messages[0];
  if (first?.role !== "system") return null;
  return first.content.map((part) => (part.type === "text" ? part.text : "")).join("");
}

/** The messages as this option has them; undefined where it refuses the dialogue. */
export function withSystemPrompt<Given extends readonly Message[]>(
  messages: Given,
  option: SystemPromptOption,
): Given | Message[] | undefined {
  const declared = declaredPrompt(option);
  if (declared === undefined) return messages;
  const [first] = messages;
  const hasOwn = first?.role === "system";
  if (option.policy === "refuse-if-different") {
    return (hasOwn ? plainText(first) : null) === declared ? messages : undefined;
  }
  const rest = hasOwn ? messages.slice(1) : [...messages];
  return declared === null ? rest : [{ role: "system", content: [{ type: "text", text: declared }] }, ...rest];
}

/** As artifacts record it in their facts, under `systemPrompt`. */
export function systemPromptFacts(option: SystemPromptOption) {
  const { policy, text = null } = option;
  return { policy, text, sha256: text === null ? null : sha256(text) };
}

const factsSchema = z.object({ policy: z.enum(POLICIES), text: z.string().nullable() });

/** The option that an artifact was made with; undefined where its facts do not record one. */
export function recordedSystemPrompt(facts: JsonObject): SystemPromptOption | undefined {
  const recorded = factsSchema.safeParse(facts.systemPrompt);
  if (!recorded.success) return undefined;
  const { policy, text } = recorded.data;
  return text === null ? { policy } : { policy, text };
}
