/**
 * Checks a live server: does it serve this model, do its settings leave prompts unchanged, does it tokenize and render
 * as we do?
 */
import { basename } from "node:path";
import { accessHint, DraftsmithError, defined, isAccessDenied, type JsonObject } from "../../base/index.js";
import { type Message, requestMessages } from "../../dialogue/index.js";
import {
  AccessDenied,
  ask,
  backoffMs,
  findRisks,
  type GoodAnswer,
  modelBaseName,
  NotAServer,
  pause,
  type Question,
  ServerClient,
  type ServerIdentity,
  servesModel,
  TransportFault,
} from "../../sglang/index.js";
import type { InputArtifact, StageContext } from "../stage.js";
import { checkHiddenStates, STATES_RESPONSE_BYTES } from "./check-hidden-states.js";
import { checkPrecision } from "./check-precision.js";
import { compareIds } from "./compare-ids.js";
import { likelyCause } from "./diagnose.js";
import type { ReadImage } from "./dialogue-source.js";
import { checkServerDirectory, openServerDirectory } from "./server-directory.js";
import type { Subject } from "./subject.js";

/** Settings that change prompts (others change only answers). */
const PROMPT_SETTINGS = new Set([
  "default_chat_template_kwargs",
  "mm_process_config",
  "json_model_override_args",
  "allow_auto_truncate",
]);

/** Attempts per prompt. */
const ATTEMPTS = 5;

/** White space, combining marks, scripts and special tokens: where tokenizers tend to differ. */
const TOKENIZER_PROBE =
  "A  b\n\n c\t1234 don't DON'T \u00e9 e\u0301 \u0e01\u0e33 \u4e2d\u6587 \ud83d\ude00 <|im_start|>user\n<think>";

export class LiveServer {
  private identity: ServerIdentity | undefined;

  private constructor(
    private readonly client: ServerClient,
    private readonly subject: Subject,
  ) {}

  /**
   * @param headers - sent with every request; may hold the API key
   * @throws DraftsmithError SERVER_UNREACHABLE; SERVER_REFUSED if it is not an inference server or refuses the key
   */
  static async open(subject: Subject, url: string, headers: Record<string, string>): Promise<LiveServer> {
    const maxResponseBytes = subject.options.states ? STATES_RESPONSE_BYTES : undefined;
    const client = new ServerClient(url, { connections: 4, headers, ...defined({ maxResponseBytes }) });
    const server = new LiveServer(client, subject);
    try {
      server.identity = await client.identify();
      server.checkIdentity(server.identity);
      await server.checkTokenizer();
      return server;
    } catch (error) {
      await client.close();
      throw asUserError(error, client.name, subject.options.apiKeyEnv);
    }
  }

  /** Asks for one token after these messages and compares the prompt that the server reports. */
  async checkPrompt(
    id: string,
    messages: readonly Message[],
    tools: JsonObject[] | undefined,
    image: ReadImage,
  ): Promise<void> {
    const { renderer, findings, counts, spell, kwargs } = this.subject;
    findings.look("rendering");
    const local = await renderer.prompt({ messages, tools, generationPrompt: true });
    if (!local.ok) {
      findings.add({ check: "rendering", severity: "error", message: local.message, place: { id } });
      return;
    }
    const answer = await this.promptOf({
      messages: await requestMessages(messages, image),
      ...defined({ tools }),
      templateKwargs: kwargs,
      maxTokens: 1,
      stopTokenIds: [],
    });
    if (!("promptIds" in answer)) {
      this.checkCount(id, local.ids.length, answer.promptTokens);
      return;
    }
    const ids = answer.promptIds;
    counts.livePromptsCompared += 1;
    findings.look("prompt");
    const difference = compareIds(local.ids, ids, spell, ["rendered here", "the server's"]);
    if (difference === null) {
      counts.livePromptsEqual += 1;
      return;
    }
    const cause = await likelyCause(this.subject, {
      ours: local.ids,
      theirs: Int32Array.from(ids),
      images: local.images,
    });
    findings.add({
      check: "prompt",
      severity: "error",
      message: `dialogue ${id}: the prompt rendered here (${local.ids.length} ids) differs from that of ${this.client.name} (${ids.length} ids) at id ${difference.index}: ${cause}`,
      place: { id, index: difference.index },
      frame: difference.frame,
      window: difference.window,
    });
  }

  /**
   * Run after the prompt checks, which are more telling: finds what only the server's files and settings show (means,
   * unused template branches, precision).
   */
  async checkFiles(): Promise<void> {
    const { identity, subject } = this;
    if (identity === undefined) return;
    const theirs = await openServerDirectory(identity, this.client.name);
    if (theirs !== undefined) checkServerDirectory(subject, identity, theirs);
    checkPrecision(subject, identity, theirs?.precision);
  }

  /** Errors as checkHiddenStates; SERVER_UNREACHABLE. */
  async checkStates(shards: InputArtifact | undefined, context: StageContext): Promise<void> {
    const { identity, client, subject } = this;
    if (identity === undefined) return;
    try {
      await checkHiddenStates(subject, { client, identity }, shards, context);
    } catch (error) {
      throw asUserError(error, client.name, subject.options.apiKeyEnv);
    }
  }

  close(): Promise<void> {
    return this.client.close();
  }

  /** A server that returns no ids gives only lengths: equal lengths prove little, different ones are enough. */
  private checkCount(id: string, ours: number, theirs: number): void {
    const { counts, findings } = this.subject;
    counts.liveCountsCompared += 1;
    if (counts.liveCountsCompared === 1) {
      const message = "the server returns no prompt ids: only the lengths of prompts are compared";
      findings.add({ check: "server", severity: "warning", message, place: {} });
    }
    if (ours === theirs) {
      counts.liveCountsEqual += 1;
      return;
    }
    findings.add({
      check: "prompt",
      severity: "error",
      message: `dialogue ${id}: the prompt rendered here has ${ours} tokens, ${this.client.name} counts ${theirs} (it returns no ids)`,
      place: { id },
    });
  }

  /** Retries after transient faults such as closed idle connections or full queues. */
  private async promptOf(question: Question): Promise<Pick<GoodAnswer, "promptIds"> | { promptTokens: number }> {
    const { client } = this;
    const timeoutMs = this.subject.options.requestTimeoutSeconds * 1000;
    for (let attempt = 1; ; attempt += 1) {
      const rules = { special: undefined, loops: undefined };
      const { verdict, answer } = await ask(client, question, "chat", rules, timeoutMs);
      // The answer does not matter here: even a rejected one reports its prompt.
      if (answer !== undefined) return { promptIds: answer.promptIds };
      if ("reason" in verdict && verdict.reason === "ids-missing") {
        const promptTokens = await this.countOf(question, timeoutMs);
        if (promptTokens !== undefined) return { promptTokens };
      }
      const message = "message" in verdict ? verdict.message : verdict.kind;
      // Waiting corrects neither a bad request nor a key.
      if (verdict.kind !== "transient" || verdict.denied === true) {
        const hint = verdict.kind === "transient" ? accessHint(this.subject.options.apiKeyEnv) : undefined;
        throw new DraftsmithError("SERVER_REFUSED", `${client.name}: ${message}`, defined({ hint }));
      }
      if (attempt === ATTEMPTS) throw new DraftsmithError("SERVER_UNREACHABLE", `${client.name}: ${message}`);
      await pause(backoffMs(attempt, undefined));
    }
  }

  private async countOf(question: Question, timeoutMs: number): Promise<number | undefined> {
    const { messages, tools, templateKwargs, maxTokens } = question;
    const more = {
      ...defined({ tools, templateKwargs }),
    };
    try {
      const reply = await this.client.chat({ messages, maxTokens, ...more }, timeoutMs);
      return reply.status === 200 ? this.client.parseChat(reply).promptTokens : undefined;
    } catch {
      // Keep the verdict of the first answer.
      return undefined;
    }
  }

  private checkIdentity(identity: ServerIdentity): void {
    const { findings, model } = this.subject;
    findings.look("server");
    // Without the address: warnings are stored in the artifact, and ports change between runs.
    const name = "the server";
    const dir = basename(model.dir);
    if (identity.modelType !== undefined && identity.modelType !== model.config.modelType) {
      const message = `${name} serves a ${identity.modelType}, the model directory ${dir} is a ${model.config.modelType}`;
      findings.add({ check: "server", severity: "error", message, place: { field: "model_type" } });
    }
    if (!servesModel(identity, dir)) {
      const served = modelBaseName(identity.modelPath ?? identity.servedModelName);
      const message = `${name} serves ${served}, which is not named like the model directory ${dir}`;
      findings.add({ check: "server", severity: "warning", message, place: { field: "model_path" } });
    }
    const template = identity.settings?.chat_template ?? identity.settings?.hf_chat_template_name;
    if (template !== undefined) {
      const message = `${name} was started with its own chat template: only its prompts can be compared, not its files`;
      findings.add({ check: "server", severity: "warning", message, place: { field: "chat_template" } });
    }
    for (const { name: setting, value, why } of findRisks(identity)) {
      findings.add({
        check: "server",
        severity: PROMPT_SETTINGS.has(setting) ? "error" : "warning",
        message: `${name} has ${setting} ${JSON.stringify(value)}: ${why}`,
        place: { field: setting },
      });
    }
  }

  private async checkTokenizer(): Promise<void> {
    const { renderer, findings, spell, options } = this.subject;
    const theirs = await this.client.tokenizeText(TOKENIZER_PROBE);
    if (!("ids" in theirs)) {
      const { status, trouble } = theirs;
      const isAbsent = status === 404 || status === 405;
      const why = isAbsent ? "the server has no /tokenize" : `the server's /tokenize answers ${trouble}`;
      const hint = isAccessDenied(status) ? ` (${accessHint(options.apiKeyEnv)})` : "";
      const message = `${why}: its tokenizer is compared through prompts only${hint}`;
      findings.add({ check: "server", severity: "warning", message, place: {} });
      return;
    }
    const ours = await renderer.tokenizer.encode(TOKENIZER_PROBE);
    const difference = compareIds(ours, theirs.ids, spell, ["here", "the server"]);
    if (difference === null) return;
    const message = `the server tokenizes the probe text differently from id ${difference.index} on`;
    findings.add({
      check: "server",
      severity: "error",
      message,
      place: { index: difference.index },
      frame: difference.frame,
      window: difference.window,
    });
  }
}

function asUserError(error: unknown, name: string, apiKeyEnv: string | undefined): unknown {
  if (error instanceof TransportFault) {
    return new DraftsmithError("SERVER_UNREACHABLE", `${name}: ${error.message}`, {
      cause: error,
      hint: "is the server running at this address?",
    });
  }
  if (error instanceof AccessDenied) {
    return new DraftsmithError("SERVER_REFUSED", error.message, { cause: error, hint: accessHint(apiKeyEnv) });
  }
  if (error instanceof NotAServer) return new DraftsmithError("SERVER_REFUSED", error.message, { cause: error });
  return error;
}
