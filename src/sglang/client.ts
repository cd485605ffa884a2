/** One server as callers see it: identify it, tokenise with it, ask it. */
import type { JsonObject } from "../base/index.js";
import { isAccessDenied, isJsonObject } from "../base/index.js";
import { type Answer, parseChatAnswer, parseGenerateAnswer } from "./answer.js";
import { JsonFault, parseBoundedObject } from "./bounded-json.js";
import { CHAT_PATH, type ChatRequest, encodeChat, type TemplateInput } from "./chat.js";
import { DIALECTS, type Dialect } from "./dialect.js";
import { arrayAt, numberAt, stringAt } from "./fields.js";
import { encodeGenerate, GENERATE_PATH, type GenerateRequest } from "./generate.js";
import { keepSettings, type ServerIdentity } from "./identity.js";
import { describeServerError } from "./server-error.js";
import { stateLayersOf } from "./states.js";
import { encodeTokenizeMessages, encodeTokenizeText, parseTokenizeAnswer, TOKENIZE_PATH } from "./tokenize.js";
import { type Reply, Transport, TransportFault, type TransportOptions } from "./transport.js";

/** It answers, but not as an inference server that is ready. */
export class NotAServer extends Error {
  override readonly name: string = "NotAServer";
}

/** It answers 401 or 403: the key is missing or wrong, or the address is not ours. */
export class AccessDenied extends NotAServer {
  override readonly name = "AccessDenied";
}

/** Ids of a text, or the HTTP status and error that came instead. */
export type TextIds = { ids: number[] } | { status: number; trouble: string };

/** Identifying takes a few quick requests; a server that needs longer is not ready. */
const INFO_TIMEOUT_MS = 15_000;
/** /ready since 0.5.20 says it without generating; older servers and vLLM have only /health. */
const READY_PATHS = ["/ready", "/health"];
/** A chat template given as text is the longest honest part. */
const MAX_IDENTITY_CHARACTERS = 200_000;

export class ServerClient {
  readonly name: string;
  private readonly transport: Transport;
  private model = "default";
  private currentDialect: Dialect = DIALECTS.sglang;

  constructor(url: string, options: TransportOptions) {
    this.transport = new Transport(url, options);
    this.name = this.transport.name;
  }

  get dialect(): Dialect {
    return this.currentDialect;
  }

  /** Grows when a new connection, and so perhaps another process, begins to answer posts. */
  get connectionsOpened(): number {
    return this.transport.connectionsOpened;
  }

  /** Name that requests carry; known after `identify`. */
  get modelName(): string {
    return this.model;
  }

  /**
   * Reads what the server says about itself, by the newer addresses or the deprecated ones.
   *
   * @throws TransportFault - no answer. @throws NotAServer - answers of another kind, or not ready yet. @throws AccessDenied
   */
  async identify(): Promise<ServerIdentity> {
    const models = await this.info(["/v1/models"]);
    const first = (models && arrayAt(models, "data")?.find(isJsonObject)) ?? undefined;
    if (first === undefined || !isJsonObject(first)) throw new NotAServer(`${this.name} lists no model at /v1/models`);
    const about = await this.info(["/model_info", "/get_model_info"]);
    const settings = await this.info(["/server_info", "/get_server_info"]);
    const saysVllm = stringAt(first, "owned_by") === "vllm";
    // A gateway in front of SGLang may hide /model_info, but it has no /version either.
    const vllmVersion = saysVllm || about === undefined ? await this.vllmVersion() : undefined;
    const isVllm = saysVllm || vllmVersion !== undefined;
    this.currentDialect = isVllm ? DIALECTS.vllm : DIALECTS.sglang;
    this.model = (about && stringAt(about, "served_model_name")) ?? stringAt(first, "id") ?? "default";
    const version = (settings && stringAt(settings, "version")) ?? vllmVersion;
    const identity: ServerIdentity = {
      dialect: this.currentDialect.name,
      servedModelName: this.model,
      modelPath: (about && stringAt(about, "model_path")) ?? stringAt(first, "root"),
      modelType: about && stringAt(about, "model_type"),
      architectures: about && strings(about, "architectures"),
      weightVersion: about && stringAt(about, "weight_version"),
      contextLength: numberAt(first, "max_model_len"),
      engineVersion: version,
      understandsImages: about?.has_image_understanding !== false,
      stateLayers: settings && stateLayersOf(settings),
      settings: isVllm || settings === undefined ? undefined : keepSettings({ ...about, ...settings }),
    };
    // It ends up in manifests and messages.
    if (JSON.stringify(identity).length > MAX_IDENTITY_CHARACTERS) {
      throw new NotAServer(`${this.name} describes itself in more than ${MAX_IDENTITY_CHARACTERS} characters`);
    }
    return identity;
  }

  /**
   * Whether it takes new work: false for 503, which means starting, draining or paused.
   *
   * @returns undefined where it cannot be known: no such address, no answer in time
   */
  async isReady(): Promise<boolean | undefined> {
    for (const path of READY_PATHS) {
      let status: number;
      try {
        ({ status } = await this.transport.get(path, INFO_TIMEOUT_MS));
      } catch (error) {
        // A busy server may be slow to say so; whether it is away shows in its answers.
        if (error instanceof TransportFault) return undefined;
        throw error;
      }
      if (status === 200) return true;
      if (status === 503) return false;
      if (status !== 404 && status !== 405) return undefined;
    }
    return undefined;
  }

  /** @returns the ids, or why there are none: gateways hide /tokenize or refuse it. */
  async tokenizeText(text: string): Promise<TextIds> {
    const reply = await this.transport.post(TOKENIZE_PATH, encodeTokenizeText(this.model, text), INFO_TIMEOUT_MS);
    const { status, body } = reply;
    const ids = status === 200 ? parseTokenizeAnswer(body) : undefined;
    return ids === undefined ? { status, trouble: describeServerError(status, body) } : { ids };
  }

  /** Posts the dialogue for rendering; image placeholders come back un-expanded. */
  tokenizeMessages(input: TemplateInput, timeoutMs: number): Promise<Reply> {
    const body = encodeTokenizeMessages(this.model, input, this.currentDialect);
    return this.transport.post(TOKENIZE_PATH, body, timeoutMs);
  }

  chat(request: ChatRequest, timeoutMs: number): Promise<Reply> {
    const body = encodeChat(this.model, request, this.currentDialect);
    return this.transport.post(CHAT_PATH, body, timeoutMs);
  }

  generate(request: GenerateRequest, timeoutMs: number): Promise<Reply> {
    return this.transport.post(GENERATE_PATH, encodeGenerate(request), timeoutMs);
  }

  parseChat(reply: Reply): Answer {
    return parseChatAnswer(reply.body, this.currentDialect);
  }

  parseGenerate(reply: Reply): Answer {
    return parseGenerateAnswer(reply.body);
  }

  close(): Promise<void> {
    return this.transport.close();
  }

  /** The first of these addresses that exists. */
  private async info(paths: readonly string[]): Promise<JsonObject | undefined> {
    for (const path of paths) {
      const reply = await this.transport.get(path, INFO_TIMEOUT_MS);
      if (reply.status === 200) {
        try {
          return parseBoundedObject(reply.body);
        } catch (error) {
          if (error instanceof JsonFault) throw new NotAServer(`${this.name}${path}: ${error.message}`);
          throw error;
        }
      }
      if (reply.status !== 404 && reply.status !== 405) {
        const Kind = isAccessDenied(reply.status) ? AccessDenied : NotAServer;
        throw new Kind(`${this.name}${path} answers ${describeServerError(reply.status, reply.body)}`);
      }
    }
    return undefined;
  }

  private async vllmVersion(): Promise<string | undefined> {
    const answer = await this.info(["/version"]);
    return answer && stringAt(answer, "version");
  }
}

function strings(object: JsonObject, key: string): string[] | undefined {
  return arrayAt(object, key)?.filter((item) => typeof item === "string");
}
