/**
 * `bench-stub.ts text|image|screens`: reads bodies and sends canned answers: as little work as a server can do. Prints
 * its port.
 */
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { IM_END, SPECIAL, tokenize } from "../../sglang-client/stub-model.js";
import { screenAnswers } from "./bench-screens.js";

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

const server = createServer((request, response) => {
  response.setHeader("content-type", "application/json");
  const isChat = request.url === "/v1/chat/completions";
  const chunks: Buffer[] = [];
  let bytes = 0;
  request.on("data", (chunk: Buffer) => {
    bytes += chunk.length;
    if (!isChat || bytes < 100_000) chunks.push(chunk);
  });
  request.on("end", () => {
    if (isChat) {
      const isProbe = bytes < 100_000 && Buffer.concat(chunks).includes('"max_tokens":4,');
      response.end(isProbe ? probe : chats[answered++ % chats.length]);
      return;
    }
    const text = answer(request.url ?? "", Buffer.concat(chunks).toString());
    if (text === undefined) response.statusCode = 404;
    response.end(text ?? "{}");
  });
});
server.listen(0, "127.0.0.1", () => process.stdout.write(`${(server.address() as AddressInfo).port}\n`));
