/**
 * Keys such as "10", which JavaScript objects would move to the front: from a row's text to the prompt and to the request
 * they stay where Python leaves them.
 */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { type JsonObject, parseJson, stringifyJson } from "../../src/base/index.js";
import { dialogueSchema, readDialogue, requestMessages } from "../../src/dialogue/index.js";
import { DIALECTS, encodeChat } from "../../src/sglang/index.js";
import { compileTemplate, templateMessages, templateTools } from "../../src/tokens/index.js";
import { describeWithReference } from "./with-reference.js";

/** Names of members, most of them such as JavaScript would sort. */
const names = fc.oneof(
  { weight: 4, arbitrary: fc.constantFrom("10", "2", "0", "07", "1", "4294967294", "4294967295", "9007199254740993") },
  { weight: 2, arbitrary: fc.nat({ max: 300 }).map(String) },
  { weight: 2, arbitrary: fc.constantFrom("name", "-1", "1.5", "x", "é") },
);
/** Keys that begin as ours do. The template engine does not print them as Python's `repr`, which differs by version. */
const prefixed = fc.oneof(names, fc.constantFrom("\ufdd05", "\ufdd0\ufdd07", "\ufdd0", "\ufdd0x"));

/** JSON text of an object, its members in any order. */
const objectOf = (key: fc.Arbitrary<string>) =>
  fc.letrec<{ value: string; object: string }>((tie) => ({
    value: fc.oneof(
      { depthSize: "small", withCrossShrink: true },
      fc.constantFrom("1", "0.0", "2512292042121000001", "null", "true", '"10"', '"2:"', "[]"),
      fc.array(tie("value"), { maxLength: 3 }).map((items) => `[${items.join(",")}]`),
      tie("object"),
    ),
    object: fc
      .uniqueArray(fc.tuple(key, tie("value")), { maxLength: 6, selector: ([name]) => name })
      .map((members) => `{${members.map(([name, value]) => `${JSON.stringify(name)}:${value}`).join(",")}}`),
  })).object;

interface Row {
  parameters: string;
  arguments: string;
  extra: string;
  asText: boolean;
}

const rowOf = (key: fc.Arbitrary<string>): fc.Arbitrary<Row> => {
  const object = objectOf(key);
  return fc.record({ parameters: object, arguments: object, extra: object, asText: fc.boolean() });
};

const toolsText = ({ parameters }: Row): string =>
  `[{"type":"function","function":{"name":"f","description":"d","parameters":${parameters}}}]`;

function rowText(one: Row): string {
  const given = one.asText ? JSON.stringify(one.arguments) : one.arguments;
  const call = `{"id":"c","type":"function","function":{"name":"f","arguments":${given}}}`;
  const messages = `[{"role":"user","content":"q"},{"role":"assistant","content":"a","tool_calls":[${call}]}]`;
  return `{"id":"d","tools":${toolsText(one)},"messages":${messages}}`;
}

/** The row as import stores it: read, checked, written and read again. */
function stored(one: Row) {
  const read = readDialogue(parseJson(rowText(one)), "auto");
  if (!read.ok) throw new Error(`${read.reason}: ${read.message}`);
  const source = { file: "x.jsonl", line: 1 };
  return dialogueSchema.parse(parseJson(stringifyJson({ ...read.dialogue, id: "d", source })));
}

const TEMPLATE = [
  "{{ tools[0].function.parameters | tojson }}|{{ tools[0].function.parameters }}",
  "{% set given = messages[1].tool_calls[0].function.arguments %}{{ given | tojson(indent=1) }}",
  "{% for name, value in given.items() %}{{ name }}={{ value }};{% endfor %}{{ given | length }}",
  "{{ given['10'] }}{{ given['2'] is defined }}{{ '10' in given }}{{ given.get('2', '-') }}",
  "{{ extra }}{% for name in extra %}{{ name }},{% endfor %}{{ extra | list | first }}",
].join("\n");

describe("keys that are array indices", () => {
  it("stand in the request where they stood in the row", async () => {
    await fc.assert(
      fc.asyncProperty(rowOf(prefixed), async (one) => {
        const { messages, tools } = stored(one);
        const noImage = () => Promise.reject(new Error("no image"));
        const templateKwargs = parseJson(`{"extra":${one.extra}}`) as JsonObject;
        const request = { messages: await requestMessages(messages, noImage), tools, templateKwargs, maxTokens: 1 };
        const { pieces } = encodeChat("m", request, DIALECTS.sglang);
        const body = Buffer.concat(pieces.filter(Buffer.isBuffer)).toString("utf8");
        expect(body).toContain(`"tools":${toolsText(one)}`);
        expect(body).toContain(`"arguments":${JSON.stringify(one.arguments)}`);
        expect(body).toContain(`"chat_template_kwargs":{"extra":${one.extra}}`);
      }),
      { seed: 11, numRuns: 500 },
    );
  });
});

describeWithReference("keys that are array indices, in Python", (reference) => {
  it("print in the same order, from the row's text to the prompt", { timeout: 300_000 }, async () => {
    await fc.assert(
      fc.asyncProperty(rowOf(names), async (one) => {
        const { messages, tools } = stored(one);
        const ours = compileTemplate(TEMPLATE).render({
          messages: templateMessages(messages),
          tools: templateTools(tools),
          extra: parseJson(one.extra),
        });
        const call = `{"function":{"name":"f","arguments":${one.arguments}}}`;
        const wanted = `[{"role":"user","content":"q"},{"role":"assistant","content":"a","tool_calls":[${call}]}]`;
        const variables = `{"messages":${wanted},"tools":${toolsText(one)},"extra":${one.extra}}`;
        // As text: what writes a question must not be what is tested.
        const question = `{"kind":"template","template":${JSON.stringify(TEMPLATE)},"variables":${variables}}`;
        const answer = await reference.ask<{ text: string }>(question);
        expect(answer).toEqual({ text: ours });
      }),
      { seed: 12, numRuns: 300 },
    );
  });
});
