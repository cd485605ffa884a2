/** One question, one verdict: sends a turn by the way that returns ids, and judges whatever comes back. */
import type { JsonObject } from "../base/index.js";
import { type Answer, type GoodAnswer, MalformedAnswer } from "./answer.js";
import type { RequestImage } from "./body.js";
import { JsonFault } from "./bounded-json.js";
import type { ChatMessage } from "./chat.js";
import type { ServerClient } from "./client.js";
import { type Counted, countIds, type LocalIds } from "./count.js";
import {
  type AnswerRules,
  judgeAnswer,
  judgeFault,
  judgeStatus,
  matchedStop,
  type Refusal,
  type Verdict,
} from "./judge.js";
import { parseTokenizeAnswer } from "./tokenize.js";
import { type Reply, TransportFault } from "./transport.js";

/** Where ids come from: the chat answer, /tokenize followed by /generate (older servers), or the question's own. */
export type IdSource = "chat" | "generate" | "count";

export interface Question {
  messages: ChatMessage[];
  tools?: JsonObject[];
  templateKwargs?: JsonObject;
  maxTokens: number;
  stopTokenIds: number[];
  /** Needed where ids come by count. */
  local?: LocalIds;
}

export type Outcome =
  | { verdict: Exclude<Verdict, Refusal>; answer: GoodAnswer }
  /** A rejected answer comes along where it has ids, for those who only want to know that. */
  | { verdict: Refusal; answer?: GoodAnswer };

/** Whether a verdict leaves an answer to use. */
export function isUsable(outcome: Outcome): outcome is Extract<Outcome, { verdict: Exclude<Verdict, Refusal> }> {
  return outcome.verdict.kind === "good" || outcome.verdict.kind === "cut";
}

export type AskRules = Omit<AnswerRules, "dialect" | "maxTokens" | "stopTokenIds" | "imageCount">;

/** Never throws for what a server or the network does. */
export async function ask(
  client: ServerClient,
  question: Question,
  source: IdSource,
  rules: AskRules,
  timeoutMs: number,
): Promise<Outcome> {
  const images = imagesOf(question.messages);
  // Spelled out, here and elsewhere on this way: members that follow a spread take microseconds (V8 of Node 20).
  const answerRules: AnswerRules = {
    special: rules.special,
    loops: rules.loops,
    truncatesTo: rules.truncatesTo,
    dialect: client.dialect,
    maxTokens: question.maxTokens,
    stopTokenIds: question.stopTokenIds,
    imageCount: images.length,
  };
  try {
    const came =
      source === "generate"
        ? await askGenerate(client, question, images, rules.special?.imagePad, timeoutMs)
        : await askChat(client, question, timeoutMs, source === "count");
    if ("kind" in came) return { verdict: came };
    const counted = source === "count" ? await counting(came, question, client) : undefined;
    if (counted?.refusal !== undefined) {
      const { refusal: verdict, answer } = counted;
      return answer === undefined ? { verdict } : { verdict, answer };
    }
    const asked = counted?.answer ?? came;
    const verdict = judgeAnswer(asked, answerRules);
    if (!hasIds(asked)) return { verdict: verdict as Refusal };
    const matched = matchedStop(asked, client.dialect, rules.special);
    const isNews = matched !== null && matched !== asked.finish.matched;
    const answer = isNews ? { ...asked, finish: { ...asked.finish, matched } } : asked;
    return verdict.kind === "transient" ? { verdict } : ({ verdict, answer } as Outcome);
  } catch (error) {
    if (error instanceof TransportFault) return { verdict: judgeFault(error) };
    if (error instanceof JsonFault || error instanceof MalformedAnswer) {
      return { verdict: { kind: "transient", reason: "answer-malformed", message: error.message } };
    }
    throw error;
  }
}

function counting(
  answer: Answer,
  { local, maxTokens, stopTokenIds }: Question,
  client: ServerClient,
): Promise<Counted> {
  if (local === undefined) throw new Error("a question whose ids come by count brings its own");
  return countIds(answer, local, { dialect: client.dialect, maxTokens, stopTokenIds });
}

async function askChat(
  client: ServerClient,
  question: Question,
  timeoutMs: number,
  wholeText: boolean,
): Promise<Answer | Refusal> {
  const { maxTokens, messages, stopTokenIds, tools, templateKwargs } = question;
  const request = { messages, maxTokens, stopTokenIds, wholeText, tools, templateKwargs };
  const reply = await client.chat(request, timeoutMs);
  return reply.status === 200 ? client.parseChat(reply) : judgeStatus(reply);
}

/** The server renders, we send its ids back: the prompt is its own, whatever its template. */
async function askGenerate(
  client: ServerClient,
  question: Question,
  images: RequestImage[],
  imagePad: number | undefined,
  timeoutMs: number,
): Promise<Answer | Refusal> {
  const { maxTokens, messages, stopTokenIds, tools, templateKwargs } = question;
  const rendered: Reply = await client.tokenizeMessages({ messages, tools, templateKwargs }, timeoutMs);
  if (rendered.status !== 200) return judgeStatus(rendered);
  const inputIds = parseTokenizeAnswer(rendered.body);
  if (inputIds === undefined) throw new MalformedAnswer("/tokenize returned no ids");
  const reply = await client.generate({ inputIds, images, maxTokens, stopTokenIds }, timeoutMs);
  if (reply.status !== 200) return judgeStatus(reply);
  const answer = client.parseGenerate(reply);
  // Without pictures the prompt is what we sent; with pictures only the server knows the expanded ids.
  if (answer.promptIds === undefined && images.length === 0) return { ...answer, promptIds: inputIds };
  const promptIds = answer.promptIds === undefined ? await chatPrompt(client, question, timeoutMs) : answer.promptIds;
  // Some image processors render the ids to text and back and, where that fails, continue with different ids.
  if (Array.isArray(promptIds) && imagePad !== undefined && !isExpansion(inputIds, promptIds, imagePad)) {
    return {
      kind: "reject",
      reason: "prompt-changed",
      message: `${inputIds.length} ids were sent; without repeated image pads the server's ${promptIds.length} are others`,
    };
  }
  return { ...answer, promptIds };
}

/** Servers whose /generate does not return the prompt may do so in chat; the counts of both must agree afterwards. */
async function chatPrompt(client: ServerClient, question: Question, timeoutMs: number): Promise<Answer["promptIds"]> {
  const { messages, tools, templateKwargs } = question;
  const request = { messages, maxTokens: 1, stopTokenIds: [], tools, templateKwargs };
  const reply = await client.chat(request, timeoutMs);
  return reply.status === 200 ? client.parseChat(reply).promptIds : undefined;
}

/** Whether `expanded` is `ids` with every image pad repeated once or more. */
function isExpansion(ids: readonly number[], expanded: readonly number[], imagePad: number): boolean {
  let at = 0;
  for (const id of ids) {
    if (expanded[at] !== id) return false;
    at += 1;
    if (id === imagePad) while (expanded[at] === imagePad) at += 1;
  }
  return at === expanded.length;
}

function hasIds(answer: Answer): answer is GoodAnswer {
  return Array.isArray(answer.promptIds) && Array.isArray(answer.responseIds);
}

function imagesOf(messages: ChatMessage[]): RequestImage[] {
  const images: RequestImage[] = [];
  for (const { content } of messages) {
    if (typeof content === "string") continue;
    for (const part of content) if (part.type === "image") images.push(part.image);
  }
  return images;
}
