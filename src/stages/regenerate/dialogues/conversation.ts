/** One dialogue from its first question to its end. */
import { defined } from "../../../base/index.js";
import {
  commonPrefix,
  type Dialogue,
  foldIds,
  type GeneratedTurn,
  type HistoryOption,
  imagesOf,
  type Message,
  promptMessages,
  turnIds,
} from "../../../dialogue/index.js";
import { type GoodAnswer, isUsable, type Outcome, TRANSIENT_REASONS } from "../../../sglang/index.js";
import type { TurnRecord } from "../ledger/ledger.js";
import type { RegenerateOptions } from "../options.js";
import type { DialogueEnd } from "../report/progress.js";
import { callsOf, hasBrokenCall, hasThinking, messageOf, sameCalls } from "./reply.js";
import { type Script, type ScriptStep, scriptOf } from "./script.js";

export interface ConversationHost {
  options: RegenerateOptions;
  /** Asks with retries; a transient verdict is the last of them. */
  ask(messages: Message[], dialogue: Dialogue): Promise<Outcome>;
  /** Called for every answer that is followed by another question; resolves when it is durable. */
  keep(index: number, record: TurnRecord): Promise<void>;
}

/** Why a dialogue that has answers ends before its last turn. */
export const PARTIAL_REASONS = {
  length: "an answer was cut by maxNewTokens",
  "max-turns": "the dialogue has more turns than maxTurns",
  "prompt-limit": "a turn is longer than tokenLimits",
  "tool-call-differs": "the target called another tool, so the recorded result does not fit",
} as const;

/** State of a dialogue while it is asked. */
class Conversation {
  readonly messages: Message[] = [];
  readonly turns: GeneratedTurn[] = [];
  /** Prompt and response ids of the last turn; apart, since joining them would copy thousands of ids a turn. */
  private last: { prompt: ArrayLike<number>; response: ArrayLike<number> } = { prompt: [], response: [] };

  constructor(
    readonly dialogue: Dialogue,
    readonly digest: string,
    private readonly history: HistoryOption,
  ) {}

  /** Takes an answer of an earlier run. */
  restore({ message, turn }: TurnRecord): void {
    this.turns.push(turn);
    this.messages.push(message);
    this.last = turnIds(this.turns).at(-1)!;
  }

  /** Tokens that the next prompt has at least; 0 where nothing is certain. */
  get leastPrompt(): number {
    const last = this.turns.at(-1);
    if (last === undefined || this.history !== "all" || hasThinking(this.messages[last.message]!)) return 0;
    return this.last.prompt.length + this.last.response.length;
  }

  take(message: Message, answer: GoodAnswer): TurnRecord {
    const { promptIds, responseIds } = answer;
    const keep = this.kept(promptIds);
    const text = message.content.map((part) => (part.type === "text" ? part.text : "")).join("");
    const turn: GeneratedTurn = {
      message: this.messages.length,
      prompt: { keep, ids: foldIds(promptIds, keep) },
      response: foldIds(responseIds),
      text,
      finish: { type: answer.finish.type as GeneratedTurn["finish"]["type"], matched: answer.finish.matched },
      imageHashes: imagesOf(promptMessages(this.messages, this.history)).map(({ hash }) => hash),
      ...defined({ counted: answer.counted }),
    };
    this.turns.push(turn);
    this.messages.push(message);
    this.last = { prompt: promptIds, response: responseIds };
    return { message, turn };
  }

  /** How many ids the prompt has in common with the last turn's prompt and response. */
  private kept(promptIds: readonly number[]): number {
    const { prompt, response } = this.last;
    const keep = commonPrefix(prompt, promptIds);
    return keep < prompt.length ? keep : keep + commonPrefix(response, promptIds, keep);
  }

  /** `partial` where there are answers to keep, `rejected` where there are none. */
  cut(reason: string, message: string): DialogueEnd {
    if (this.turns.length === 0) return this.without("rejected", reason, message);
    const { id, tools, tags } = this.dialogue;
    const kept = this.messages.slice(0, this.turns.at(-1)!.message + 1);
    const row = {
      id,
      dialogueDigest: this.digest,
      status: "partial" as const,
      reason,
      messages: kept,
      ...defined({ tools, tags }),
      turns: this.turns,
    };
    return { status: "partial", reason, row };
  }

  without(status: "rejected" | "failed", reason: string, message: string): DialogueEnd {
    return { status, reason, row: { id: this.dialogue.id, dialogueDigest: this.digest, status, reason, message } };
  }

  done(): DialogueEnd {
    const { id, tools, tags } = this.dialogue;
    const row = {
      id,
      dialogueDigest: this.digest,
      status: "done" as const,
      messages: this.messages,
      ...defined({ tools, tags }),
      turns: this.turns,
    };
    return { status: "done", reason: undefined, row };
  }
}

/**
 * Asks every assistant turn with the target's own earlier answers in the history.
 *
 * @param earlier - answers that an earlier run has on disk, in order
 */
export async function converse(
  dialogue: Dialogue,
  digest: string,
  earlier: readonly TurnRecord[],
  host: ConversationHost,
): Promise<DialogueEnd> {
  const conversation = new Conversation(dialogue, digest, host.options.history);
  const script: Script = scriptOf(dialogue, host.options.systemPrompt);
  if ("reason" in script) return conversation.without("rejected", script.reason, script.message);
  const { steps } = script;
  for (const [index, step] of steps.entries()) {
    if (step.type === "say") {
      conversation.messages.push(step.message);
      continue;
    }
    const next = steps[index + 1];
    const known = earlier[conversation.turns.length];
    if (known !== undefined) {
      conversation.restore(known);
      continue;
    }
    const end = await answerOne(conversation, step, next, host);
    if (end !== undefined) return end;
  }
  return conversation.done();
}

/** @returns the end of the dialogue, or undefined when it continues. */
async function answerOne(
  conversation: Conversation,
  step: Extract<ScriptStep, { type: "ask" }>,
  next: ScriptStep | undefined,
  host: ConversationHost,
): Promise<DialogueEnd | undefined> {
  const { options } = host;
  const asked = conversation.turns.length;
  if (options.maxTurns !== undefined && asked >= options.maxTurns) {
    return conversation.cut("max-turns", PARTIAL_REASONS["max-turns"]);
  }
  // The next prompt holds all of the last one and its answer, unless something is dropped from the history.
  if (conversation.leastPrompt > (options.tokenLimits.prompt ?? Infinity)) {
    return conversation.cut("prompt-limit", PARTIAL_REASONS["prompt-limit"]);
  }
  const outcome = await host.ask(conversation.messages, conversation.dialogue);
  if (!isUsable(outcome)) {
    const { verdict } = outcome;
    if (verdict.kind !== "transient") return conversation.cut(verdict.reason, verdict.message);
    // The table's words, not the fault's: addresses and times must not enter the artifact.
    return conversation.without("failed", verdict.reason, TRANSIENT_REASONS[verdict.reason]);
  }
  const { answer, verdict } = outcome;
  if (isBeyond(answer, options.tokenLimits)) return conversation.cut("prompt-limit", PARTIAL_REASONS["prompt-limit"]);
  const isCut = verdict.kind === "cut";
  if (isCut && options.onLength === "drop") return conversation.cut("length", PARTIAL_REASONS.length);
  const generated = messageOf(answer, options.historyContent);
  const follows = next?.type === "say" && next.message.role === "tool";
  const made = callsOf(generated);
  const wanted = step.source === undefined ? [] : callsOf(step.source);
  const fits = sameCalls(made, wanted) && !hasBrokenCall(answer);
  const message = fits ? withIdsOf(generated, step.source) : generated;
  const record = conversation.take(message, answer);
  if (isCut) return conversation.cut("length", PARTIAL_REASONS.length);
  if (next === undefined) return undefined;
  // A recorded result belongs to the recorded call; without that call, or after another one, it would be false.
  if ((follows || made.length > 0) && !fits) {
    return conversation.cut("tool-call-differs", PARTIAL_REASONS["tool-call-differs"]);
  }
  await host.keep(asked, record);
  return undefined;
}

function isBeyond(answer: GoodAnswer, limits: RegenerateOptions["tokenLimits"]): boolean {
  const prompt = answer.promptIds.length;
  const whole = prompt + answer.responseIds.length;
  return prompt > (limits.prompt ?? Infinity) || whole > (limits.dialogue ?? Infinity);
}

/** Generated calls have no ids; those of the recorded calls link the recorded results to them. */
function withIdsOf(generated: Message, source: Message | undefined): Message {
  if (generated.toolCalls === undefined) return generated;
  const toolCalls = generated.toolCalls.map((call, index) => {
    const id = source?.toolCalls?.[index]?.id;
    return id === undefined ? call : { id, ...call };
  });
  return { ...generated, toolCalls };
}
