/**
 * Special tokens typed into user text. Servers turn such text into real special tokens: a placeholder without an image,
 * or a turn that nobody took. Text like this is refused before it becomes ids.
 */
import type { Message } from "../dialogue/index.js";
import type { AddedToken } from "../model/index.js";

export interface Spoof {
  /** Index of the message. */
  message: number;
  token: string;
}

/** A pattern that finds any special token's text; null where a tokenizer has none. */
export function spoofPattern(addedTokens: readonly AddedToken[]): RegExp | null {
  const special = addedTokens.filter((token) => token.special).map((token) => token.content);
  if (special.length === 0) return null;
  // Longest first, so that a token wins over one it begins with.
  special.sort((a, b) => b.length - a.length);
  return new RegExp(special.map((token) => token.replace(/[.*+?^${}()|[\]\\]/g, "\\$&")).join("|"));
}

/** The first special token in any text of the messages: content, reasoning, tool names and arguments. */
export function findSpoof(messages: readonly Message[], pattern: RegExp | null): Spoof | null {
  if (pattern === null) return null;
  for (const [index, message] of messages.entries()) {
    for (const text of textsOf(message)) {
      const match = pattern.exec(text);
      if (match !== null) return { message: index, token: match[0] };
    }
  }
  return null;
}

function* textsOf(message: Message): Generator<string> {
  for (const part of message.content) if (part.type === "text") yield part.text;
  if (message.reasoning !== undefined) yield message.reasoning;
  for (const call of message.toolCalls ?? []) yield JSON.stringify(call);
}

const LONE_SURROGATE = /\p{Surrogate}/u;

/** Whether every text is valid Unicode; half of a surrogate pair has no UTF-8 form and no ids. */
export function isWellFormed(messages: readonly Message[]): boolean {
  return messages.every((message) => [...textsOf(message)].every((text) => !LONE_SURROGATE.test(text)));
}
