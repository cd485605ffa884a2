/** Joins the requests of one dialogue into generations: each turn with the prompt that production sent. */
import { canonicalJson, defined, type JsonObject } from "../../../base/index.js";
import {
  commonPrefix,
  type Dialogue,
  dialogueDigest,
  foldIds,
  type GeneratedTurn,
  type Generation,
  type HistoryOption,
  imagesOf,
  type Message,
  promptMessages,
  unfoldIds,
} from "../../../dialogue/index.js";
import { type LoggedRequest, saidIn } from "./request-store.js";

export interface Joined {
  dialogue: Dialogue;
  generation: Generation;
}

/** A dialogue as far as its requests have shown it. */
interface Open {
  first: LoggedRequest;
  messages: Message[];
  turns: GeneratedTurn[];
  /** Of the last request: its messages are followed by this in the next one. */
  answer: Message;
  last: { prompt: Int32Array; response: Int32Array };
}

/**
 * A request continues the one before it where `history`, applied to that dialogue with the answer and what was said since,
 * gives exactly its messages. Where it does not (a client that edits its history, a question asked twice), it begins
 * another dialogue: its own messages are all that is known.
 *
 * @param nameOf - an id that no other dialogue has
 */
export function joined(
  requests: readonly LoggedRequest[],
  history: HistoryOption,
  nameOf: (id: string) => string,
): Joined[] {
  const dialogues: Joined[] = [];
  let open: Open | undefined;
  for (const request of requests) {
    const messages = open && continued(open, request, history);
    if (open === undefined || messages === undefined) {
      if (open !== undefined) dialogues.push(closed(open, nameOf));
      open = { first: request, messages: [...request.messages], turns: [], answer: request.answer, last: NOTHING };
    } else open.messages = messages;
    takeTurn(open, request, history);
  }
  if (open !== undefined) dialogues.push(closed(open, nameOf));
  return dialogues;
}

const NOTHING = { prompt: new Int32Array(0), response: new Int32Array(0) };

/** All messages of the dialogue up to this request's answer; undefined where it does not continue it. */
function continued(open: Open, request: LoggedRequest, history: HistoryOption): Message[] | undefined {
  if (canonicalJson(open.first.tools ?? []) !== canonicalJson(request.tools ?? [])) return undefined;
  const sent = request.messages;
  const last = sent.findLastIndex(({ role }) => role === "assistant");
  // A window may leave the answer out; otherwise it stands there as the client wrote it.
  const answer = last < 0 ? open.answer : sent[last]!;
  if (saidIn(answer) !== saidIn(open.answer)) return undefined;
  const whole = [...open.messages, answer, ...sent.slice(last < 0 ? keptInFront(open, history) : last + 1)];
  return spelled(promptMessages(whole, history)) === spelled(sent) ? whole : undefined;
}

/** How many messages stand before the question in a window without answers. */
function keptInFront({ messages }: Open, history: HistoryOption): number {
  const system = messages[0]?.role === "system" ? 1 : 0;
  if (history === "all" || history.keepFirst !== true) return system;
  const answered = messages.findIndex(({ role }) => role === "assistant");
  return answered < 0 ? messages.length : answered;
}

/** Requests join texts that follow one another, so parts do not tell messages apart. */
function spelled(messages: readonly Message[]): string {
  return canonicalJson(messages.map((message) => ({ ...message, content: withJoinedTexts(message.content) })));
}

function withJoinedTexts(content: Message["content"]): Message["content"] {
  const parts: Message["content"] = [];
  for (const part of content) {
    const last = parts.at(-1);
    if (part.type === "text" && last?.type === "text")
      parts[parts.length - 1] = { type: "text", text: last.text + part.text };
    else parts.push(part);
  }
  return parts;
}

function takeTurn(open: Open, request: LoggedRequest, history: HistoryOption): void {
  const prompt = unfoldIds(request.prompt);
  const { last } = open;
  const start = commonPrefix(last.prompt, prompt);
  const keep = start < last.prompt.length ? start : start + commonPrefix(last.response, prompt, start);
  const { answer, response, finish } = request;
  open.turns.push({
    message: open.messages.length,
    prompt: { keep, ids: foldIds(prompt, keep) },
    response,
    text: answer.content.map((part) => (part.type === "text" ? part.text : "")).join(""),
    finish,
    imageHashes: imagesOf(promptMessages(open.messages, history)).map(({ hash }) => hash),
  });
  open.answer = answer;
  open.last = { prompt, response: unfoldIds(response) };
}

function closed({ first, messages, turns, answer }: Open, nameOf: (id: string) => string): Joined {
  const { source, tools, tags } = first;
  const id = nameOf(first.id);
  const rest: { tools?: JsonObject[]; tags?: Record<string, string> } = defined({ tools, tags });
  const all = [...messages, answer];
  const dialogue: Dialogue = { id, source, messages: all, ...rest };
  const digest = dialogueDigest(dialogue);
  return { dialogue, generation: { id, dialogueDigest: digest, status: "done", messages: all, ...rest, turns } };
}
