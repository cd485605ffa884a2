/**
 * `bench-stub.ts text|image|screens`: reads bodies and sends canned answers: as little work as a server can do, so plain
 * sockets, for it takes its share of the two cores from whoever is measured. Prints its port.
 */
import { type AddressInfo, createServer, Socket, type SocketConstructorOpts } from "node:net";
import { CHAT_PATH } from "../../../../src/sglang/index.js";
import { IM_END, SPECIAL, tokenize } from "../../../sglang-client/stub-model.js";
import { screenAnswers } from "./bench-screens.js";

/** The probe and look-ups are smaller. */
const KEPT_BYTES = 100_000;

const withImage = process.argv[2] !== "text";
const prompt = tokenize(
  `<|im_start|>user\n${"a question of some length ".repeat(8)}<|im_end|>\n<|im_start|>assistant\n`,
);
const pads = [
  SPECIAL["<|vision_start|>"],
  ...new Array<number>(880).fill(SPECIAL["<|image_pad|>"]),
  SPECIAL["<|vision_end|>"],
];
const promptIds = withImage ? [...prompt.slice(0, 6), ...pads, ...prompt.slice(6)] : prompt;
const ids = [...tokenize("click the red button in the middle of the screen"), IM_END];
const plainIds = withImage ? promptIds : prompt;

/** Undefined for what this server does not have. */
function answer(path: string, body: string): string | undefined {
  if (path === "/v1/models")
    return JSON.stringify({ data: [{ id: "stub", root: "stub", owned_by: "sglang", max_model_len: 100_000 }] });
  if (path === "/model_info")
    return JSON.stringify({ served_model_name: "stub", model_path: "stub", has_image_understanding: withImage });
  if (path === "/server_info") return JSON.stringify({ version: "0", mm_process_config: {} });
  if (path === "/health") return "";
  if (path !== "/tokenize") return undefined;
  const { prompt: text } = JSON.parse(body) as { prompt: string };
  return JSON.stringify({ tokens: tokenize(text) });
}

const TEXT = "click the red button in the middle of the screen";
const canned = (answerIds: number[], text = TEXT, asked = plainIds): Buffer =>
  Buffer.from(
    JSON.stringify({
      choices: [
        {
          message: { role: "assistant", content: text },
          finish_reason: "stop",
          matched_stop: IM_END,
          prompt_token_ids: asked,
          response_token_ids: answerIds,
        },
      ],
      usage: { prompt_tokens: asked.length, completion_tokens: answerIds.length },
    }),
  );
const chats =
  process.argv[2] === "screens"
    ? screenAnswers().map(({ text, promptIds, responseIds }) => canned(responseIds, text, promptIds))
    : [canned(ids)];
let answered = 0;
const probe = canned([65, IM_END]);

const OK = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n";
const responseOf = (body: Buffer): Buffer =>
  Buffer.concat([Buffer.from(`${OK}content-length: ${body.length}\r\n\r\n`), body]);
const chatResponses = chats.map(responseOf);
const probeResponse = responseOf(probe);
const MISSING = Buffer.from("HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n");

function respond(path: string, body: Buffer | undefined): Buffer {
  if (path === CHAT_PATH) {
    const isProbe = body?.includes('"max_tokens":4,') === true;
    return isProbe ? probeResponse : chatResponses[answered++ % chatResponses.length]!;
  }
  const text = answer(path, body?.toString() ?? "");
  return text === undefined ? MISSING : responseOf(Buffer.from(text));
}

/**
 * Where all sockets read to: a fresh buffer for each 64 KB would take this process more time than the reading. Large
 * enough for a whole request.
 */
const landing = Buffer.allocUnsafeSlow(1 << 20);

/** One connection: requests one after the other, each with its length in the header. Large bodies are only counted. */
function serve(accepted: Socket): void {
  let head: Buffer | undefined;
  let path = "";
  let left = 0;
  let kept: Buffer[] | undefined;
  const end = (): void => {
    socket.write(respond(path, kept && (kept.length === 1 ? kept[0]! : Buffer.concat(kept))));
    kept = undefined;
  };
  const take = (chunk: Buffer): void => {
    if (left > 0) {
      left -= chunk.length;
      kept?.push(Buffer.from(chunk));
      if (left === 0) end();
      return;
    }
    head = head === undefined ? chunk : Buffer.concat([head, chunk]);
    const headEnd = head.indexOf("\r\n\r\n");
    if (headEnd < 0) {
      head = Buffer.from(head);
      return;
    }
    const lines = head.toString("latin1", 0, headEnd);
    const body = head.subarray(headEnd + 4);
    head = undefined;
    path = lines.slice(lines.indexOf(" ") + 1, lines.indexOf(" ", lines.indexOf(" ") + 1));
    const length = Number(/\r\ncontent-length: *(\d+)/i.exec(lines)?.[1] ?? 0);
    left = length - body.length;
    kept = length < KEPT_BYTES ? [left === 0 ? body : Buffer.from(body)] : undefined;
    if (left === 0) end();
  };
  const callback = (bytes: number): boolean => {
    take(landing.subarray(0, bytes));
    return true;
  };
  const handle: unknown = Reflect.get(accepted, "_handle");
  const socket = new Socket({ handle, onread: { buffer: landing, callback } } as SocketConstructorOpts);
  socket.setNoDelay(true);
  socket.on("error", () => undefined);
  socket.resume();
}

const server = createServer({ pauseOnConnect: true }, serve);
server.listen(0, "127.0.0.1", () => process.stdout.write(`${(server.address() as AddressInfo).port}\n`));
