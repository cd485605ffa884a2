/** validate against real SGLang servers: one that is the model, and one that was started with something else. */
import { readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, inject, test } from "vitest";
import { run } from "../e2e/cli.js";
import { scratchDirectory } from "../scratch/scratch.js";
import { otherModel, VARIANTS } from "../stages/validate/other-server.js";
import { figure, showFigures } from "./figures.js";
import { type RealServer, startRealServer } from "./real-server.js";
import { MODEL } from "./target.js";

const SYSTEM = "You operate a computer.";

let workspace: string;
/** Rows without pictures, and rows of demo-data with their pictures beside them. */
let texts: string;
let shots: string;

beforeAll(async () => {
  workspace = scratchDirectory("gate");
  texts = join(workspace, "texts.jsonl");
  const messages = [
    { role: "system", content: SYSTEM },
    { role: "user", content: "What now?\n\n" },
    { role: "assistant", content: "Nothing." },
    { role: "user", content: "And now?" },
    { role: "assistant", content: "Wait." },
  ];
  await writeFile(texts, `${JSON.stringify({ messages })}\n`);
  const raw = join(workspace, "raw");
  const drawn = await run(["demo-data", "--dialogues", "40", "--bad-rows", "true", "--seed", "11", "--out", raw]);
  expect(drawn.code, drawn.stderr).toBe(0);
  shots = join(raw, "dialogues.jsonl");
});
afterAll(async () => {
  showFigures();
  await rm(workspace, { recursive: true, force: true });
});

const validate = (server: string, ...words: string[]) =>
  run(["validate", "--server", server, "--model", MODEL, ...words]);

test("a file of dialogues, before anything else, against the model's own server", async () => {
  const words = ["--dialogues", shots, "--server-sample", "40", "--json"];
  const done = await validate(inject("plainServer"), ...words);
  expect(done.code, done.stderr).toBe(0);
  const finished = done.events.find((event) => event.type === "step-finished");
  expect(finished).toMatchObject({ counts: { livePromptsCompared: 40, livePromptsEqual: 40, errors: 0 } });
  figure("gate: plain file, prompts equal, SGLang", `40 of 40 asked, in ${done.seconds.toFixed(1)} s`);
});

describe("a server started with another template and other pixel limits", () => {
  let other: RealServer;
  beforeAll(async () => {
    const limits = ["preprocessor_config.json", "262144", "30000"] as const;
    other = await startRealServer({ model: await otherModel(workspace, [...VARIANTS, limits], true) });
  });
  afterAll(() => other?.stop());

  const causes: [variant: string, cause: RegExp][] = [
    ["newline", /: the server's prompt lacks the trailing newline after assistant/],
    ["bos", /: the server's prompt begins with the BOS token "<\|endoftext\|>", which is not rendered here/],
    ["thinking", /: thinking is on at the server and off here/],
    ["empty-thought", /: thinking is off \(an empty thought\) at the server and off here/],
    [
      "system",
      /: the system prompt differs "You are a helpful assistant\." on the server, "You operate a computer\." here/,
    ],
    ["no-system", /: the server leaves out the system prompt "You operate a computer\."/],
    ["trimmed", /: message 1 differs in white space only: the chat templates differ/],
    ["between", /: white space between messages differs: the chat templates differ/],
  ];
  test.each(causes)("is caught in words: %s", async (variant, cause) => {
    const kwargs = JSON.stringify({ variant });
    const done = await validate(other.url, "--dialogues", texts, "--chat-template-kwargs", kwargs);
    expect(done.code).toBe(10);
    expect(done.stderr).toMatch(cause);
    await forget(done.stderr);
  });

  test("is caught at the pictures, with both counts and the limit", async () => {
    const done = await validate(other.url, "--dialogues", shots);
    expect(done.code).toBe(10);
    expect(done.stderr).toMatch(
      /: server \d+, here [\d,]+ pads for a \d+x\d+ image: its max_pixels is between [\d,]+ and 3\d,\d+/,
    );
    await forget(done.stderr);
  });

  test("is caught by its files where no prompt shows it", async () => {
    const done = await validate(other.url, "--dialogues", texts);
    expect(done.code).toBe(10);
    expect(done.stderr).toMatch(/the server's chat template is another one/);
    await forget(done.stderr);
  });

  test("and by the declaration, where only that differs", async () => {
    const done = await validate(inject("plainServer"), "--dialogues", texts, "--system-prompt", "You drive a car.");
    expect(done.code).toBe(10);
    expect(done.stderr).toMatch(/first differing token: number 2, " operate" in the data, " \w+" declared/);
    await forget(done.stderr);
  });
});

/** A failed validation without --out keeps its report; read it, then remove it. */
async function forget(stderr: string): Promise<void> {
  const report = /the report is (\S+)/.exec(stderr)![1]!;
  expect(await readFile(report, "utf8")).toMatch(/^verdict: bad/);
  await rm(join(report, "..", "..", ".."), { recursive: true });
}
