/** Judges a logged answer by the rules for answers of servers, and its request by what `log` declares. */
import { canonicalJson, isJsonObject, type JsonObject, numberOf } from "../../../base/index.js";
import { imagesOf, type Message, templateArguments } from "../../../dialogue/index.js";
import type { ModelDirectory } from "../../../model/index.js";
import {
  chatAnswerOf,
  DIALECTS,
  type Dialect,
  type GoodAnswer,
  judgeAnswer,
  learnSpecialTokens,
  MalformedAnswer,
  matchedStop,
  type SpecialTokens,
} from "../../../sglang/index.js";
import type { LoggedRow } from "./logged-row.js";
import type { LogOptions } from "./options.js";

export type Judged = { ok: true; answer: GoodAnswer } | { ok: false; reason: string; message: string };

export class LogJudge {
  private constructor(
    private readonly options: LogOptions,
    private readonly special: SpecialTokens,
  ) {}

  static async of(options: LogOptions, { tokenizer }: ModelDirectory): Promise<LogJudge> {
    const special = await learnSpecialTokens((text) => {
      const token = tokenizer.addedTokens.find(({ content }) => content === text);
      return Promise.resolve(token && [token.id]);
    });
    return new LogJudge(options, special);
  }

  /** @param messages - of the request, canonical */
  judge({ request, response }: LoggedRow, messages: readonly Message[]): Judged {
    const refused = this.refuseRequest(request);
    if (refused !== undefined) return refused;
    // vLLM puts the prompt's ids beside the choices.
    const dialect: Dialect = response.prompt_token_ids === undefined ? DIALECTS.sglang : DIALECTS.vllm;
    try {
      const answer = chatAnswerOf(response, dialect);
      const limit = numberOf(request.max_tokens) ?? numberOf(request.max_completion_tokens);
      const verdict = judgeAnswer(answer, {
        dialect,
        // A log that does not say the limit cannot show that an answer was cut before it.
        maxTokens: limit ?? (answer.finish.type === "length" ? (answer.responseIds?.length ?? 0) : Infinity),
        special: this.special,
        stopTokenIds: [],
        imageCount: imagesOf(messages).length,
        loops: undefined,
      });
      if (verdict.kind !== "good" && verdict.kind !== "cut") return { ok: false, ...verdict };
      const matched = matchedStop(answer, dialect, this.special) ?? answer.finish.matched;
      return { ok: true, answer: { ...(answer as GoodAnswer), finish: { ...answer.finish, matched } } };
    } catch (error) {
      if (error instanceof MalformedAnswer) return { ok: false, reason: "answer-malformed", message: error.message };
      throw error;
    }
  }

  private refuseRequest(request: JsonObject): Extract<Judged, { ok: false }> | undefined {
    const { temperature, top_k: topK, chat_template_kwargs: kwargs } = request;
    if (this.options.sampled === "reject" && numberOf(temperature) !== 0 && numberOf(topK) !== 1) {
      const said = temperature === undefined || temperature === null ? "no temperature" : `temperature ${temperature}`;
      const message = `the request says ${said}; log.sampled: keep takes such answers`;
      return { ok: false, reason: "not-greedy", message };
    }
    const [sent, declared] = [isJsonObject(kwargs) ? kwargs : {}, templateArguments(this.options)].map(canonicalJson);
    if (sent === declared) return undefined;
    const message = `the request has the template arguments ${sent}, but ${declared} are declared`;
    return { ok: false, reason: "template-arguments-differ", message };
  }
}
