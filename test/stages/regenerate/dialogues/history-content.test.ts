/** Answers go back into the history as clients send them: unchanged, or trimmed where a client trims. */
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { crc32 } from "node:zlib";
import { describe, expect, it } from "vitest";
import type { JsonObject } from "../../../../src/base/index.js";
import { textCause } from "../../../../src/stages/validate/text-cause.js";
import { closingStubs } from "../../../sglang-client/closing-stubs.js";
import { directoryModel } from "../../../sglang-client/directory-model.js";
import { TINY_GUI } from "../../../tokens/reference.js";
import {
  dialogues,
  generationsOf,
  runStage,
  temporaryDirectory,
  validateGenerations,
  writeArtifact,
} from "../harness.js";

const { stubOf } = closingStubs();
const MODEL = await directoryModel(TINY_GUI);
const ANSWER = "I look first.\n</think>\n\nI press it.";

describe("answers in the history", () => {
  it.each([
    [undefined, "unchanged", { content: ANSWER }],
    ["reasoning_content", "unchanged", { content: "\n\nI press it.", reasoning_content: "I look first.\n" }],
    [undefined, "trimmed", { content: "I press it.", reasoning_content: "I look first." }],
    ["reasoning_content", "trimmed", { content: "I press it.", reasoning_content: "I look first." }],
  ] as const)("with the reasoning field %s, %s, are what such a client sends", async (field, form, parts) => {
    const options = field === undefined ? {} : { reasoningField: field };
    const stub = await stubOf({ model: MODEL, answer: () => ANSWER, ...options });
    const input = await writeArtifact(await temporaryDirectory(), dialogues(12, []), []);
    const workDir = await temporaryDirectory();
    const given = { servers: [stub.url], model: TINY_GUI, thinking: "on" as const, historyContent: form };
    const made = await runStage({ input, options: given, workDir });
    const sent = stub.requests.flatMap(({ messages }) => messages as JsonObject[]);
    const earlier = sent.filter(({ role }) => role === "assistant");
    expect(earlier.length).toBeGreaterThan(8);
    for (const message of earlier) expect(message).toEqual({ role: "assistant", ...parts });
    const { verdict, counts } = await validateGenerations(TINY_GUI, generationsOf(workDir, made));
    expect(verdict).toBe("good");
    const turns = made.rows.reduce((sum, row) => sum + row.turns.length - 1, 0);
    expect([counts.historyUnchanged, counts.historyTrimmed]).toEqual(form === "unchanged" ? [turns, 0] : [0, turns]);
  });

  it("of older journals were trimmed: they are continued with that setting, and refused without", async () => {
    const stub = await stubOf();
    const input = await writeArtifact(await temporaryDirectory(), dialogues(6));
    const resumeDir = await temporaryDirectory();
    const trimmed = { servers: [stub.url], historyContent: "trimmed" as const };
    const made = await runStage({ input, options: trimmed, resumeDir });
    const path = join(resumeDir, "journal.jsonl");
    const [first, ...others] = (await readFile(path, "utf8")).split("\n");
    const [, record] = JSON.parse(first!) as [string, { settings: JsonObject }];
    expect(record.settings.historyContent).toBe("trimmed");
    delete record.settings.historyContent;
    const text = JSON.stringify(record);
    const older = `["${crc32(text).toString(16).padStart(8, "0")}",${text}]`;
    await writeFile(path, [older, ...others].join("\n"));
    await expect(runStage({ input, options: { servers: [stub.url] }, resumeDir })).rejects.toMatchObject({
      code: "RESUME_CONFLICT",
      message: expect.stringContaining('historyContent was "trimmed", now it is "unchanged"'),
    });
    const asked = stub.requests.length;
    const again = await runStage({ input, options: trimmed, resumeDir });
    expect(again.generations).toBe(made.generations);
    expect(stub.requests.length - asked).toBeLessThanOrEqual(2);
    const restarted = await runStage({ input, options: { servers: [stub.url], onConflict: "restart" }, resumeDir });
    expect(restarted.draft.facts.historyContent).toBe("unchanged");
  });
});

describe("a difference in the white space of earlier answers", () => {
  const prompt = (body: string): string =>
    `<|im_start|>user\nq<|im_end|>\n<|im_start|>assistant\n${body}<|im_end|>\n<|im_start|>user\nr<|im_end|>\n<|im_start|>assistant\n`;

  it.each([
    ["I press it.", "\n\nI press it.", "unchanged"],
    ["\n\nI press it.", "I press it.", "trimmed"],
    ["<think>\na\n</think>\n\nb", "<think>\na\n\n</think>\n\n\n\nb", "unchanged"],
  ])("is named as that: %j here, %j on the server", (here, there, form) => {
    const cause = textCause(prompt(here), prompt(there));
    expect(cause).toContain(`the server's prompt holds it ${form} (historyContent: ${form})`);
  });

  it("is not claimed where words differ", () => {
    expect(textCause(prompt("I press it."), prompt("\n\nI press that."))).not.toContain("historyContent");
  });
});
