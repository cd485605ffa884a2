/** A server at the network edge that speaks SGLang's contract and can fail in every way that a real one does. */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { type JsonObject, parseJson } from "../../src/base/index.js";
import {
  answerTo,
  IM_END,
  padsOf,
  render,
  SPECIAL,
  type StubModel,
  tokenize,
  untokenize,
  wordsFor,
} from "./stub-model.js";

export type Fault =
  | "reset"
  | "reset-midway"
  | "busy"
  | "rate-limited"
  | "too-early"
  | "error-500"
  | "proxy-page"
  | "slow-first-byte"
  | "trickle"
  | "cut-json"
  | "not-json"
  | "deep-json"
  | "no-choice"
  | "ids-missing"
  | "ids-strings"
  | "ids-huge"
  | "ids-count"
  | "huge-body"
  | "abort"
  | "finish-error"
  | "content-filter"
  | "nan"
  | "stop-mismatch"
  | "length-early"
  | "bad-request"
  | "too-long"
  | "too-long-for-memory"
  | "bad-image"
  | "too-large"
  | "vision-token"
  | "loop"
  | "other-weights"
  /** Another prompt than the one that was asked, as a server with another template or image processor has. */
  | "prompt-shifted"
  | "hang";

export interface StubOptions {
  /** Fault of the n-th chat or generate request (from 0), or undefined. The body is the parsed request. */
  fault?: ((n: number, body: JsonObject) => Fault | undefined) | undefined;
  modelInfo?: JsonObject;
  serverInfo?: JsonObject;
  models?: JsonObject;
  /** As older servers: other names for the ids, or none. */
  responseIdField?: "response_token_ids" | "token_ids" | "sglext" | "none";
  /** What /generate returns of the prompt: nothing, as older servers, or ids of its own. */
  generatePrompt?: "none" | "other";
  /** Cuts prompts to this many tokens in silence, as with --allow-auto-truncate. */
  truncatesTo?: number;
  /** Status of /ready; 404 by default, as before 0.5.20. */
  ready?: number;
  /** Whoever brings another key gets 401, at every address. */
  apiKey?: string | undefined;
  /** The status with which an address refuses whoever asks, as gateways do that allow some addresses only. */
  denied?: ((path: string) => 401 | 403 | undefined) | undefined;
  /** Time that /ready takes. */
  readyDelayMs?: number;
  /** Time to answer. */
  delayMs?: (n: number) => number;
  port?: number;
  /** Other answers from the same prompt, as another model would give. */
  salt?: number;
  dialect?: "sglang" | "vllm";
  /**
   * Splits thinking from the text, as a reasoning parser does, into the field of newer vLLM or of older vLLM and SGLang.
   * The other field is there as well, and null.
   */
  reasoningField?: "reasoning" | "reasoning_content";
  /** The form of error bodies: SGLang's, which older vLLM had as well, or that of newer vLLM. */
  errorForm?: "flat" | "nested";
  /** Its ids come from here; left out, bytes are tokens and an image has pads by its content. */
  model?: StubModel;
  /** Replaces the answer's text and ids. */
  answer?: (body: JsonObject) => string | undefined;
}

export interface Stub {
  url: string;
  port: number;
  /** Chat and generate requests seen. */
  requests: JsonObject[];
  options: StubOptions;
  maxInFlight: number;
  /** Of questions to /ready. */
  readyAsked: number;
  maxReadyInFlight: number;
  close(): Promise<void>;
}

/** Requests that an inspection of a healthy stub takes: the probes with the small and the large image. */
export const PROBE_REQUESTS = 2;

export async function startStub(options: StubOptions = {}): Promise<Stub> {
  const counts = { maxInFlight: 0, readyAsked: 0, maxReadyInFlight: 0 };
  const stub: Stub = { url: "", port: 0, requests: [], options, ...counts, close: () => Promise.resolve() };
  let inFlight = 0;
  let readyInFlight = 0;
  const server: Server = createServer((request, response) => {
    request.on("error", () => undefined);
    response.on("error", () => undefined);
    void bodyOf(request).then(async (text) => {
      const path = request.url ?? "/";
      const body = text === "" ? {} : (parseJson(text) as JsonObject);
      const { apiKey } = stub.options;
      if (apiKey !== undefined && request.headers.authorization !== `Bearer ${apiKey}`) {
        send(response, 401, { error: "Unauthorized" });
        return;
      }
      const denied = stub.options.denied?.(path);
      if (denied !== undefined) {
        send(response, denied, { error: "Not for you" });
        return;
      }
      if (path === "/ready") {
        stub.readyAsked += 1;
        readyInFlight += 1;
        stub.maxReadyInFlight = Math.max(stub.maxReadyInFlight, readyInFlight);
        await sleep(stub.options.readyDelayMs ?? 0);
        readyInFlight -= 1;
      }
      if (path !== "/v1/chat/completions" && path !== "/generate") {
        await lookUp(stub.options, path, body, response);
        return;
      }
      inFlight += 1;
      stub.maxInFlight = Math.max(stub.maxInFlight, inFlight);
      const n = stub.requests.push(body) - 1;
      const delay = stub.options.delayMs?.(n) ?? 0;
      if (delay > 0) await sleep(delay);
      try {
        await answer(stub.options, path, body, n, response);
      } finally {
        inFlight -= 1;
      }
    });
  });
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject);
    server.listen(options.port ?? 0, "127.0.0.1", resolve);
  });
  stub.port = (server.address() as AddressInfo).port;
  stub.url = `http://127.0.0.1:${stub.port}`;
  stub.close = () =>
    new Promise((resolve) => {
      server.close(() => resolve());
      server.closeAllConnections();
    });
  return stub;
}

/** By events: under heavy load Node's async iteration of a request was seen to wait for ever after its end. */
function bodyOf(request: IncomingMessage): Promise<string> {
  return new Promise((resolve) => {
    const chunks: Buffer[] = [];
    request.on("data", (chunk: Buffer) => chunks.push(chunk));
    request.on("end", () => resolve(Buffer.concat(chunks).toString("utf8")));
  });
}

const MODEL = {
  model_path: "/models/stub",
  served_model_name: "stub",
  weight_version: "default",
  model_type: "qwen3_vl",
};

async function lookUp(options: StubOptions, path: string, body: JsonObject, response: ServerResponse): Promise<void> {
  const isVllm = options.dialect === "vllm";
  if (path === "/v1/models") {
    const model = { id: "stub", root: "/models/stub", owned_by: isVllm ? "vllm" : "sglang", max_model_len: 100_000 };
    send(response, 200, options.models ?? { object: "list", data: [model] });
  } else if (path === "/model_info" && !isVllm) {
    send(response, 200, { ...MODEL, has_image_understanding: true, ...options.modelInfo });
  } else if (path === "/server_info" && !isVllm) {
    const info = { version: "0.5.23", api_key: "SECRET", preferred_sampling_params: null, mm_process_config: {} };
    send(response, 200, { ...MODEL, ...info, ...options.serverInfo });
  } else if (path === "/ready" && options.ready !== undefined) send(response, options.ready, "");
  else if (path === "/version" && isVllm) send(response, 200, { version: "0.33.0" });
  else if (path === "/tokenize") {
    const { model } = options;
    const tokens =
      body.messages === undefined
        ? await (model?.tokenize ?? tokenize)(String(body.prompt))
        : await (model?.render ?? render)(body, false);
    send(response, 200, { tokens, count: tokens.length, max_model_len: 100_000 });
  } else send(response, 404, { detail: "Not Found" });
}

/** Finish reasons that a fault puts in the place of the true one. */
const FINISHES: Partial<Record<Fault, string>> = {
  abort: "abort",
  "finish-error": "error",
  "content-filter": "content_filter",
  nan: "stop",
};

interface Given {
  promptIds: number[];
  ids: number[];
  text: string;
  finish: "stop" | "length";
  matched: number | null;
}

async function think(options: StubOptions, path: string, body: JsonObject): Promise<Given> {
  let promptIds: number[];
  if (path === "/generate") {
    const images = (body.image_data ?? []) as string[];
    let at = 0;
    promptIds = (body.input_ids as number[]).flatMap((id) =>
      id === SPECIAL["<|image_pad|>"] ? new Array<number>(padsOf(images[at++]!)).fill(id) : [id],
    );
  } else promptIds = await (options.model?.render ?? render)(body, true);
  promptIds = promptIds.slice(0, options.truncatesTo);
  const sampling = (body.sampling_params ?? {}) as JsonObject;
  const max = Number(body.max_tokens ?? sampling.max_new_tokens ?? 128);
  const said = options.answer?.(body);
  if (options.model !== undefined) return speak(options.model, promptIds, said ?? wordsFor(promptIds), max);
  const salted = options.salt === undefined ? promptIds : [...promptIds, options.salt];
  const { ids, cut } =
    said === undefined
      ? answerTo(salted, max)
      : { ids: [...tokenize(said), IM_END].slice(0, max), cut: said.length >= max };
  const text = untokenize(ids);
  return { promptIds, ids, text, finish: cut ? "length" : "stop", matched: cut ? null : IM_END };
}

async function speak(model: StubModel, promptIds: number[], text: string, max: number): Promise<Given> {
  const all = [...(await model.tokenize(text)), model.end];
  if (all.length <= max) return { promptIds, ids: all, text, finish: "stop", matched: model.end };
  const ids = all.slice(0, max);
  return { promptIds, ids, text: await model.text(ids), finish: "length", matched: null };
}

async function answer(
  options: StubOptions,
  path: string,
  body: JsonObject,
  n: number,
  response: ServerResponse,
): Promise<void> {
  const fault = options.fault?.(n, body);
  const given = await think(options, path, body);
  if (fault !== undefined && (await failBefore(fault, options, response))) return;
  if (fault !== undefined) spoil(fault, given);
  const finish = (fault && FINISHES[fault]) ?? given.finish;
  const matched = fault === "nan" ? "NaN happened" : given.matched;
  const meta = {
    id: `r${n}`,
    finish_reason: { type: finish, ...(matched === null ? {} : { matched }) },
    prompt_tokens: given.promptIds.length,
    completion_tokens: given.ids.length + (fault === "ids-count" ? 1 : 0),
    weight_version: fault === "other-weights" ? "v2" : "default",
  };
  const json =
    path === "/generate"
      ? { text: given.text, output_ids: given.ids, meta_info: meta, ...generatePrompt(options, given) }
      : chatBody(options, body, given, meta, { finish, matched });
  const text = JSON.stringify(json);
  if (fault === "cut-json") send(response, 200, text.slice(0, -20));
  else if (fault === "trickle" || fault === "reset-midway") await trickle(response, text, fault);
  else if (fault === "slow-first-byte") await sleep(150).then(() => send(response, 200, text));
  else send(response, 200, fault === "ids-strings" ? text.replace(/token_ids":\[\d+/g, 'token_ids":["x"') : text);
}

function generatePrompt({ generatePrompt: kind }: StubOptions, { promptIds }: Given): JsonObject {
  if (kind === "none") return {};
  return { prompt_token_ids: kind === "other" ? [65, ...promptIds.slice(1)] : promptIds };
}

function chatBody(
  options: StubOptions,
  body: JsonObject,
  given: Given,
  meta: JsonObject,
  end: { finish: string; matched: number | string | null },
): JsonObject {
  const isVllm = options.dialect === "vllm";
  const field = options.responseIdField ?? (isVllm ? "token_ids" : "response_token_ids");
  const choice: JsonObject = {
    index: 0,
    message: { role: "assistant", ...partsOf(given.text, options.reasoningField) },
    finish_reason: end.finish,
  };
  // vLLM does not name an end-of-sequence token.
  if (isVllm) choice.stop_reason = end.matched === IM_END ? null : end.matched;
  else choice.matched_stop = end.matched;
  const usage = { prompt_tokens: given.promptIds.length, completion_tokens: Number(meta.completion_tokens) };
  const root: JsonObject = { id: "c", object: "chat.completion", model: String(body.model), choices: [choice], usage };
  if (body.return_token_ids !== true) return root;
  if (field === "none") {
    // 0.5.13 returned the prompt's ids only.
    if (options.generatePrompt === "none") choice.prompt_token_ids = given.promptIds;
    return root;
  }
  if (field === "sglext") return { ...root, sglext: { input_ids: given.promptIds, output_ids: [given.ids] } };
  choice[field] = given.ids;
  if (isVllm) root.prompt_token_ids = given.promptIds;
  else Object.assign(choice, { prompt_token_ids: given.promptIds, meta_info: meta });
  return root;
}

function partsOf(text: string, field: StubOptions["reasoningField"]): JsonObject {
  if (field === undefined) return { content: text, reasoning_content: null };
  const other = field === "reasoning" ? "reasoning_content" : "reasoning";
  const [, thought = null, rest = text] = /^([\s\S]*?)<\/think>([\s\S]*)$/.exec(text) ?? [];
  return { content: rest, [field]: thought, [other]: null };
}

/** Faults that never reach an answer. @returns whether the response has been dealt with */
async function failBefore(fault: Fault, { errorForm }: StubOptions, response: ServerResponse): Promise<boolean> {
  const error = (status: number, message: string): true => {
    const type = status < 500 ? "BadRequestError" : "InternalServerError";
    const said = { message, type, param: null, code: status };
    send(response, status, errorForm === "nested" ? { error: said } : { object: "error", ...said });
    return true;
  };
  switch (fault) {
    case "reset":
      breakOff(response);
      return true;
    case "hang":
      return true;
    case "busy":
      return error(503, "The request queue is full.");
    case "rate-limited":
      send(response, 429, "slow down", { "retry-after": "0" });
      return true;
    case "too-early":
      return error(425, "Too Early");
    case "too-large":
      send(response, 413, "<html><h1>413 Request Entity Too Large</h1></html>");
      return true;
    case "error-500":
      return error(500, "Internal server error: boom");
    case "proxy-page":
      send(response, 502, "<html>Bad Gateway</html>");
      return true;
    case "not-json":
      send(response, 200, "hello");
      return true;
    case "deep-json":
      send(response, 200, "[".repeat(5000) + "]".repeat(5000));
      return true;
    case "no-choice":
      send(response, 200, { choices: [] });
      return true;
    case "huge-body":
      await flood(response);
      return true;
    case "bad-request":
      return error(400, "Conversation roles must alternate");
    case "too-long":
      return error(400, "The input (12012 tokens) is longer than the model's context length (4096 tokens).");
    case "too-long-for-memory":
      return error(
        400,
        "Input length (5012 tokens) exceeds the maximum allowed length (4090 tokens). Use a shorter input or enable --allow-auto-truncate.",
      );
    case "bad-image":
      return error(400, "Could not decode image: image file is truncated");
    default:
      return false;
  }
}

function spoil(fault: Fault, given: Given): void {
  if (fault === "ids-missing") given.ids = [];
  if (fault === "ids-huge") given.ids[0] = 2 ** 31;
  if (fault === "stop-mismatch") given.ids[given.ids.length - 1] = 65;
  if (fault === "length-early") Object.assign(given, { finish: "length", matched: null });
  if (fault === "vision-token") given.ids.splice(1, 0, SPECIAL["<|vision_start|>"]);
  if (fault === "prompt-shifted") given.promptIds = given.promptIds.map((id) => id + 1);
  if (fault === "loop") given.ids = [...Array.from({ length: 80 }, (_, k) => 66 + (k % 2)), IM_END];
}

function send(response: ServerResponse, status: number, body: JsonObject | string, headers = {}): void {
  const text = typeof body === "string" ? body : JSON.stringify(body);
  response.writeHead(status, {
    "content-type": "application/json",
    "content-length": Buffer.byteLength(text),
    ...headers,
  });
  response.end(text);
}

async function trickle(response: ServerResponse, text: string, fault: "trickle" | "reset-midway"): Promise<void> {
  response.writeHead(200, { "content-type": "application/json", "content-length": Buffer.byteLength(text) });
  const pieces = 5;
  for (let k = 0; k < pieces; k += 1) {
    response.write(text.slice(Math.floor((text.length * k) / pieces), Math.floor((text.length * (k + 1)) / pieces)));
    await sleep(10);
    if (fault === "reset-midway" && k === 2) {
      breakOff(response);
      return;
    }
  }
  response.end();
}

/**
 * Resets the connection. Where libuv refuses to reset (a write is under way), Node drops its handle without closing it,
 * and the client would wait for ever; so the handle is closed as well. Closing twice does nothing. The socket is the
 * request's: a response has none yet while the one before it on the same connection is being finished.
 */
function breakOff(response: ServerResponse): void {
  const { socket } = response.req;
  const handle = (socket as { _handle?: { close(): void } | null })._handle;
  socket.resetAndDestroy();
  setTimeout(() => handle?.close(), 20);
}

/** Sends without end, as fast as it is read. */
async function flood(response: ServerResponse): Promise<void> {
  response.writeHead(200, { "content-type": "application/json" });
  const block = Buffer.alloc(1 << 20, "a");
  while (!response.destroyed && !response.writableEnded) {
    if (!response.write(block)) await drained(response);
  }
}

function drained(response: ServerResponse): Promise<void> {
  return new Promise((resolve) => {
    const done = (): void => {
      response.off("drain", done).off("close", done);
      resolve();
    };
    response.on("drain", done).on("close", done);
  });
}

function sleep(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
