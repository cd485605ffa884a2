/** Numbers in options that are free JSON reach requests, templates and records as the user wrote them. */
import { readdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, it } from "vitest";
import { readManifest } from "../../../../src/artifacts/index.js";
import { parseJson, stringifyJson } from "../../../../src/base/index.js";
import { type Dialogue, generationSchema } from "../../../../src/dialogue/index.js";
import { openModel } from "../../../../src/model/index.js";
import { dryRun, runPipeline } from "../../../../src/pipeline/index.js";
import { createRenderer } from "../../../../src/tokens/index.js";
import { draftsmith } from "../../../cli/command.js";
import { closingStubs } from "../../../sglang-client/closing-stubs.js";
import { PROBE_REQUESTS, type Stub } from "../../../sglang-client/stub-server.js";
import { TINY_GUI } from "../../../tokens/reference.js";
import { temporaryDirectory } from "../harness.js";
import { sealedDialogues } from "../sealed.js";

const { stubOf } = closingStubs();

const LIMITS = '{"minimum": 0.0, "maximum": 1.0, "const": 2512292042121000001}';
const TOOLS = `[{"type":"function","function":{"name":"zoom","parameters":{"properties":{"by":${LIMITS}}}}}]`;
const KWARGS = '{"scale":1.50,"seed":9007199254740993}';
const COMPACT = TOOLS.replaceAll(", ", ",").replaceAll(": ", ":");

const dialogue: Dialogue = {
  id: "d",
  source: { file: "f", line: 1 },
  messages: [{ role: "user", content: [{ type: "text", text: "zoom in" }] }],
};

const yamlOf = ({ url }: Stub, tools: string, kwargs = KWARGS): string =>
  `name: p
variables: {tools: ${tools}}
steps:
  ask:
    uses: regenerate
    in: {dialogues: ./dialogues/}
    with:
      servers: ["${url}"]
      tools: {policy: set, definitions: "\${vars.tools}"}
      chatTemplateKwargs: ${kwargs}
`;

const bodiesOf = (stub: Stub) => stub.requests.slice(PROBE_REQUESTS);

async function prepared() {
  const cwd = await temporaryDirectory();
  await sealedDialogues(join(cwd, "dialogues"), [dialogue]);
  const stub = await stubOf({});
  const options = { file: "p.yaml", cwd, workspace: "ws" };
  return { cwd, stub, options, output: join(cwd, "ws", "steps", "ask") };
}

it("from a pipeline, through the request, the records of the run and the rendered template", async () => {
  const { cwd, stub, options, output } = await prepared();
  await writeFile(join(cwd, "p.yaml"), yamlOf(stub, TOOLS));
  await expect(dryRun(options)).resolves.toMatchObject({ steps: [{ state: "run" }] });
  const first = await runPipeline(options);
  expect(first.steps).toMatchObject([{ state: "done" }]);
  const [body] = bodiesOf(stub);
  expect(stringifyJson(body?.tools)).toBe(COMPACT);
  expect(stringifyJson(body?.chat_template_kwargs)).toBe(KWARGS);

  const { facts, producer } = await readManifest(output);
  expect(stringifyJson(facts.chatTemplateKwargs)).toBe(KWARGS);
  expect(stringifyJson(producer.options.tools)).toContain(COMPACT);
  expect(await readFile(join(output, "fingerprint.json"), "utf8")).toContain('"minimum": 0.0,\n');
  const history = join(cwd, "ws", "history");
  const [run = ""] = await readdir(history);
  expect(await readFile(join(history, run, "resolved.json"), "utf8")).toContain('"const": 2512292042121000001\n');

  const [line = ""] = (await readFile(join(output, "generations.jsonl"), "utf8")).split("\n");
  const { messages, tools } = generationSchema.parse(parseJson(line));
  const { text } = createRenderer(await openModel(TINY_GUI));
  expect(text({ messages, tools, generationPrompt: false })).toContain(LIMITS);

  const asked = stub.requests.length;
  expect((await runPipeline(options)).steps).toMatchObject([{ state: "cached" }]);
  expect(stub.requests).toHaveLength(asked);
  // Another int64 that rounds to the same double is another option.
  await writeFile(join(cwd, "p.yaml"), yamlOf(stub, TOOLS.replace("1000001", "1000002")));
  expect((await runPipeline(options)).steps).toMatchObject([{ state: "done" }]);
  expect(stringifyJson(bodiesOf(stub).at(-1)?.tools)).toContain("2512292042121000002");
});

it("from --set, an options file and a flag", async () => {
  const { cwd, stub, options } = await prepared();
  await writeFile(join(cwd, "p.yaml"), yamlOf(stub, "[{}]", "{}"));
  await runPipeline({ ...options, set: [`vars.tools=${TOOLS}`, "steps.ask.with.chatTemplateKwargs.scale=2.0"] });
  const last = () => stub.requests.at(-1);
  expect(stringifyJson(last()?.tools)).toBe(COMPACT);
  expect(stringifyJson(last()?.chat_template_kwargs)).toBe('{"scale":2.0}');

  const definitions = TOOLS.replace("1.0", "+01.");
  await writeFile(join(cwd, "options.yaml"), `tools:\n  policy: set\n  definitions: ${definitions}\n`);
  const common = ["regenerate", "--in", "dialogues=dialogues", "--servers", stub.url, "--out"];
  const flags = ["--options", "options.yaml", "--chat-template-kwargs", KWARGS];
  const { code, stderr } = await draftsmith(cwd, ...common, "out", ...flags);
  expect([code, stderr]).toEqual([0, expect.anything()]);
  expect(stringifyJson(last()?.tools)).toBe(COMPACT);
  expect(stringifyJson(last()?.chat_template_kwargs)).toBe(KWARGS);
  const refused = await draftsmith(cwd, ...common, "other", "--chat-template-kwargs", '{"a":1e400}');
  expect(refused.stderr).toMatch(/^error OPTIONS_INVALID: .*\n {2}at chatTemplateKwargs/);
});

it.each([".inf", "-.inf", ".nan", "1e400"])("refuses %s, which JSON cannot hold, at its place", async (number) => {
  const { cwd, stub, options } = await prepared();
  await writeFile(join(cwd, "p.yaml"), yamlOf(stub, TOOLS, `{a: 0.0, b: ${number}}`));
  const location = { file: "p.yaml", line: 10, field: "steps.ask.with.chatTemplateKwargs.b" };
  await expect(dryRun(options)).rejects.toMatchObject({ code: "PIPELINE_INVALID", location });
});
