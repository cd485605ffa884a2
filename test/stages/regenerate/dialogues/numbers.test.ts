/** Numbers of tools and arguments reach requests and rows as they were written, in the first run and after a restart. */
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, it } from "vitest";
import { type JsonObject, parseJson, stringifyJson } from "../../../../src/base/index.js";
import { type Dialogue, dialogueDigest } from "../../../../src/dialogue/index.js";
import { encodeChat } from "../../../../src/sglang/chat.js";
import { DIALECTS } from "../../../../src/sglang/dialect.js";
import { messageOf } from "../../../../src/stages/regenerate/dialogues/reply.js";
import { closingStubs } from "../../../sglang-client/closing-stubs.js";
import { runStage, temporaryDirectory, writeArtifact } from "../harness.js";

const { stubOf } = closingStubs();

const TOOLS =
  '[{"type":"function","function":{"name":"pinch","parameters":{"properties":{"by":{"minimum":0.0,"maximum":1.50},"item":{"default":2512292042121000001}}}}}]';
/** Recorded with whole numbers; the target answers with floats of the same value. */
const RECORDED = '{"at":[100,20],"item":2512292042121000001}';
const ANSWERED = '{"at":[1e2,20.0],"item":2512292042121000001}';

const dialogue: Dialogue = {
  id: "d",
  source: { file: "f", line: 1 },
  messages: [
    { role: "user", content: [{ type: "text", text: "pinch it" }] },
    {
      role: "assistant",
      content: [],
      toolCalls: [{ id: "c1", name: "pinch", arguments: parseJson(RECORDED) as JsonObject }],
    },
    { role: "tool", content: [{ type: "text", text: "pinched" }], toolCallId: "c1" },
    { role: "assistant", content: [{ type: "text", text: "done" }] },
  ],
  tools: parseJson(TOOLS) as JsonObject[],
};

const answering = (item: string) => ({
  answer: (body: object) =>
    JSON.stringify(body).includes("pinched")
      ? "it is done"
      : `<tool_call>\n{"name": "pinch", "arguments": {"at": [1e2, 20.0], "item": ${item}}}\n</tool_call>`,
});

it("requests and rows keep literals, and a restart finds the same dialogue", async () => {
  const stub = await stubOf(answering("2512292042121000001"));
  const root = await temporaryDirectory();
  const input = await writeArtifact(root, [dialogue]);
  const resumeDir = await temporaryDirectory();
  const { rows, generations } = await runStage({ input, options: { servers: [stub.url] }, resumeDir });
  expect(rows).toMatchObject([{ status: "done" }]);
  expect(generations).toContain(`"tools":${TOOLS}`);
  expect(rows[0]!.dialogueDigest).toBe(dialogueDigest(dialogue));
  const asked = stub.requests.filter((body) => JSON.stringify(body).includes("pinch"));
  expect(asked).toHaveLength(2);
  for (const body of asked) expect(stringifyJson(body.tools)).toBe(TOOLS);
  const again = await runStage({ input, options: { servers: [stub.url] }, resumeDir });
  expect(again.generations).toBe(generations);
  expect(stub.requests.filter((body) => JSON.stringify(body).includes("pinch"))).toHaveLength(2);
  expect(await readFile(join(root, "dialogues.jsonl"), "utf8")).toContain(RECORDED);
});

it("another int64 is another call, though both round to the same double", async () => {
  const stub = await stubOf(answering("2512292042121000002"));
  const input = await writeArtifact(await temporaryDirectory(), [dialogue]);
  const { rows } = await runStage({ input, options: { servers: [stub.url] } });
  expect(rows).toMatchObject([{ status: "partial", reason: "tool-call-differs" }]);
});

it("calls that the server parsed keep their literals in the history", () => {
  const answer = { text: "", reasoning: undefined, toolCalls: [{ name: "pinch", arguments: ANSWERED }] };
  const [call] = messageOf(answer as Parameters<typeof messageOf>[0], "unchanged").toolCalls ?? [];
  expect(stringifyJson(call?.arguments)).toBe(ANSWERED);
  const messages = [{ role: "assistant" as const, content: "", toolCalls: [{ ...call!, id: "c" }] }];
  const body = encodeChat("m", { messages, maxTokens: 1 }, DIALECTS.sglang);
  expect(Buffer.concat(body.pieces as Buffer[]).toString()).toContain(JSON.stringify(ANSWERED));
});
