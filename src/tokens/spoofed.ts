/**
 * Special tokens typed into user text. Servers encode such text as real special tokens: a placeholder without an image, or
 * the start of a turn that does not exist. It is rejected before it is encoded, or escaped at import.
 */
import { defined, insertAt, isJsonObject, type JsonObject, type JsonValue } from "../base/index.js";
import type { ContentPart, Message } from "../dialogue/index.js";
import type { AddedToken } from "../model/index.js";

export interface Spoof {
  /** Index of the message; -1 for the tool definitions. */
  message: number;
  token: string;
}

/** A pattern that matches the text of any special token; null if the tokenizer has none. */
export function spoofPattern(addedTokens: readonly AddedToken[]): RegExp | null {
  const special = addedTokens.filter((token) => token.special).map((token) => token.content);
  if (special.length === 0) return null;
  // Longest first, so that a token wins over its own prefix.
  special.sort((a, b) => b.length - a.length);
  return new RegExp(special.map((token) => token.replace(/[.*+?^${}()|[\]\\]/g, "\\$&")).join("|"));
}

/**
 * The first special token in any text that a template may print: content, reasoning, tool calls and their results' ids,
 * tool definitions. Adjacent text parts count as one text, as they do in the prompt.
 */
export function findSpoof(
  messages: readonly Message[],
  pattern: RegExp | null,
  tools: readonly JsonObject[] = [],
): Spoof | null {
  if (pattern === null) return null;
  for (const [index, message] of messages.entries()) {
    for (const text of printedTexts(message)) {
      const match = pattern.exec(text);
      if (match !== null) return { message: index, token: match[0] };
    }
  }
  const inTools = pattern.exec(JSON.stringify(tools));
  return inTools === null ? null : { message: -1, token: inTools[0] };
}

/** Inserted after the first character of a special token: no template strips it, and no token contains it. */
export const ESCAPE = "\u200b";

/**
 * Breaks every special token in content, reasoning and arguments of tool calls with ESCAPE, and counts them. Import does
 * this, so that server and trainer both read the changed text. Names of tools and arguments stay unchanged, because
 * another name would call something else: `findSpoof` still finds tokens there.
 */
export function escapeSpecialText(
  messages: readonly Message[],
  pattern: RegExp | null,
): { messages: Message[]; escaped: number } {
  if (pattern === null) return { messages: [...messages], escaped: 0 };
  let escaped = 0;
  const whole = (text: string): string => {
    const places = placesIn(text, pattern);
    escaped += places.length;
    return insertAt(text, places, ESCAPE);
  };
  const value = (json: JsonValue): JsonValue => {
    if (typeof json === "string") return whole(json);
    if (Array.isArray(json)) return json.map(value);
    if (!isJsonObject(json)) return json;
    return Object.fromEntries(Object.entries(json).map(([key, member]) => [key, value(member)]));
  };
  const changed = messages.map((message) => {
    const { reasoning, toolCalls } = message;
    const content = escapeParts(message.content, (text) => {
      const places = placesIn(text, pattern);
      escaped += places.length;
      return places;
    });
    return {
      ...message,
      content,
      ...defined({ reasoning: reasoning === undefined ? undefined : whole(reasoning) }),
      ...(toolCalls === undefined
        ? {}
        : { toolCalls: toolCalls.map((call) => ({ ...call, arguments: value(call.arguments) as JsonObject })) }),
    };
  });
  return { messages: changed, escaped };
}

/** Where ESCAPE is inserted: after the first character of each match; the search resumes there, as matches may overlap. */
function placesIn(text: string, pattern: RegExp): number[] {
  const places: number[] = [];
  const search = new RegExp(pattern.source, "g");
  for (let match = search.exec(text); match !== null; match = search.exec(text)) {
    places.push(match.index + 1);
    search.lastIndex = match.index + 1;
  }
  return places;
}

/** A token may start in one text part and end in the next, so the search runs over the joined text of adjacent parts. */
function escapeParts(content: readonly ContentPart[], find: (text: string) => number[]): ContentPart[] {
  const built: ContentPart[] = [];
  for (let at = 0; at < content.length; ) {
    const part = content[at]!;
    if (part.type !== "text") {
      built.push(part);
      at += 1;
      continue;
    }
    const run: string[] = [];
    for (; at < content.length; at += 1) {
      const next = content[at]!;
      if (next.type !== "text") break;
      run.push(next.text);
    }
    const places = find(run.join(""));
    let start = 0;
    for (const text of run) {
      const end = start + text.length;
      const own = places.filter((place) => place > start && place <= end).map((place) => place - start);
      built.push({ type: "text", text: insertAt(text, own, ESCAPE) });
      start = end;
    }
  }
  return built;
}

function* printedTexts(message: Message): Generator<string> {
  let text = "";
  for (const part of message.content) {
    if (part.type === "text") text += part.text;
    else {
      yield text;
      text = "";
    }
  }
  yield text;
  yield* otherTexts(message);
}

function* otherTexts({ reasoning, toolCalls, toolCallId }: Message): Generator<string> {
  if (reasoning !== undefined) yield reasoning;
  for (const call of toolCalls ?? []) yield JSON.stringify(call);
  if (toolCallId !== undefined) yield toolCallId;
}

function* textsOf(message: Message): Generator<string> {
  for (const part of message.content) if (part.type === "text") yield part.text;
  yield* otherTexts(message);
}

const LONE_SURROGATE = /\p{Surrogate}/u;

/** Whether every text is valid Unicode; a lone surrogate has no UTF-8 form and no ids. */
export function isWellFormed(messages: readonly Message[]): boolean {
  return messages.every((message) => [...textsOf(message)].every((text) => !LONE_SURROGATE.test(text)));
}
