/** One row of a log: read, its pictures taken in, its answer judged, its prompt rendered and compared. */
import type { JsonLine } from "../../../artifacts/index.js";
import { defined } from "../../../base/index.js";
import {
  answerMessage,
  foldIds,
  type GeneratedTurn,
  placePictures,
  readSentMessages,
} from "../../../dialogue/index.js";
import type { PromptRenderer } from "../../../tokens/index.js";
import type { ImageIntake } from "../intake.js";
import type { RowPlace } from "../source-rows.js";
import type { Rejected } from "../tally.js";
import type { LogJudge } from "./judge.js";
import { loggedRow } from "./logged-row.js";
import type { LogOptions } from "./options.js";
import { promptProblem } from "./prompt-problem.js";
import type { LoggedRequest } from "./request-store.js";

export interface LogParts {
  log: LogOptions;
  intake: ImageIntake;
  judge: LogJudge;
  renderer: PromptRenderer;
}

export type LookedAt =
  | {
      ok: true;
      request: LoggedRequest;
      /** The row's own id, which no other row may have. */
      rowId: string | undefined;
      conversation: string | undefined;
      unread: readonly string[];
    }
  | { ok: false; rejected: Rejected };

export async function lookAtRow(
  item: JsonLine,
  source: RowPlace,
  { log, intake, judge, renderer }: LogParts,
): Promise<LookedAt> {
  const row = "problem" in item ? item.message : loggedRow(item.value);
  const id = typeof row === "string" ? null : (row.id ?? row.conversation ?? null);
  const no = (reason: string, message: string): LookedAt => ({ ok: false, rejected: { id, source, reason, message } });
  if (typeof row === "string") return no("problem" in item ? item.problem : "log-form", row);
  const { messages: given = null, tools: tooling = null } = row.request;
  const sent = readSentMessages({ messages: given, tools: tooling });
  if (!sent.ok) return no(sent.reason, sent.message);
  const taken = await intake.take(sent.dialogue);
  if (!taken.ok) return no(taken.reason, taken.message);
  const messages = placePictures(sent.dialogue.messages, taken.pictures);
  const judged = judge.judge(row, messages);
  if (!judged.ok) return no(judged.reason, judged.message);
  const { answer } = judged;
  const { tools } = sent.dialogue;
  const wrong = await promptProblem({ messages, tools }, answer.promptIds, { renderer, history: log.history });
  if (wrong !== undefined) return no(wrong.reason, wrong.message);
  const request: LoggedRequest = {
    id: row.conversation ?? row.id ?? `${source.file}:${source.line}`,
    source,
    messages,
    ...defined({ tools, tags: row.tags }),
    answer: answerMessage(answer),
    prompt: foldIds(answer.promptIds),
    response: foldIds(answer.responseIds),
    finish: { type: answer.finish.type as GeneratedTurn["finish"]["type"], matched: answer.finish.matched },
  };
  return { ok: true, request, rowId: row.id, conversation: row.conversation, unread: sent.unread };
}
