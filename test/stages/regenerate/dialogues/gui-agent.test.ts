/** The usual form of GUI agents, from the row to requests and to rows: an observation, and then the user's screenshot. */
import { expect, it } from "vitest";
import type { JsonObject } from "../../../../src/base/index.js";
import { type Dialogue, type Picture, placePictures, readDialogue } from "../../../../src/dialogue/index.js";
import { openModel } from "../../../../src/model/index.js";
import { createRenderer, fixedTurns } from "../../../../src/tokens/index.js";
import { closingStubs } from "../../../sglang-client/closing-stubs.js";
import { TINY_GUI } from "../../../tokens/reference.js";
import { fakePicture, runStage, temporaryDirectory, writeArtifact } from "../harness.js";

const { stubOf } = closingStubs();

const CALL = '{"name": "tap", "arguments": {"x": 5}}';
const ROW = {
  id: "agent",
  system: "You act on screens.",
  tools: [{ name: "tap", parameters: {} }],
  messages: [
    { role: "user", content: "Open the mail." },
    { role: "user", content: "Here is the screen.", images: ["first.png"] },
    { role: "assistant", content: "I tap." },
    { role: "tool_call", content: CALL },
    { role: "observation", content: "ok" },
    { role: "user", content: [{ type: "image" }, { type: "text", text: "The next screen." }], image: "second.png" },
    { role: "assistant", content: "Done." },
  ],
};

const pictures = [fakePicture(1), fakePicture(2)];

function imported(): Dialogue {
  const row = readDialogue(ROW, "auto");
  if (!row.ok) throw new Error(row.message);
  const places = pictures.map(({ hash, width, height }): Picture => ({ hash, width, height }));
  const { tools } = row.dialogue;
  const messages = placePictures(row.dialogue.messages, places);
  return { id: "agent", source: { file: "f", line: 1 }, messages, ...(tools === undefined ? {} : { tools }) };
}

it("regenerate sends every message, image, call and tool", async () => {
  const stub = await stubOf({
    answer: (body) =>
      JSON.stringify(body).includes("next screen") ? "Done." : `I tap.\n<tool_call>\n${CALL}\n</tool_call>`,
  });
  const input = await writeArtifact(await temporaryDirectory(), [imported()], pictures);
  const { rows } = await runStage({ input, options: { servers: [stub.url] } });
  expect(rows).toMatchObject([{ status: "done", turns: [{ message: 3 }, { message: 6 }] }]);
  const last = stub.requests.find((body) => JSON.stringify(body).includes("next screen"))!;
  const messages = last.messages as JsonObject[];
  expect(messages.map(({ role }) => role)).toEqual(["system", "user", "user", "assistant", "tool", "user"]);
  expect(
    messages.map(({ content }) =>
      Array.isArray(content) ? content.map((part) => (part as JsonObject).type) : content,
    ),
  ).toEqual([
    "You act on screens.",
    "Open the mail.",
    ["image_url", "text"],
    `I tap.\n<tool_call>\n${CALL}\n</tool_call>`,
    "ok",
    ["image_url", "text"],
  ]);
  expect(last.tools).toEqual([{ type: "function", function: ROW.tools[0] }]);
});

it("tokenize renders the recorded answers in the same places", async () => {
  const model = await openModel(TINY_GUI);
  const renderer = createRenderer(model);
  const turns = await fixedTurns(imported(), renderer, model);
  expect(turns).toMatchObject([
    { ok: true, message: 3, turn: { imageHashes: [pictures[0]?.hash] } },
    { ok: true, message: 6, turn: { imageHashes: pictures.map(({ hash }) => hash) } },
  ]);
  const responses = turns.map((turn) => (turn.ok ? turn.turn.response : []));
  const texts = await Promise.all(responses.map((ids) => renderer.tokenizer.decode(ids)));
  expect(texts[0]).toContain("I tap.");
  expect(texts[0]).toContain('"tap"');
  expect(texts[1]).toContain("Done.");
});
