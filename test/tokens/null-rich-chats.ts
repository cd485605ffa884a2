/** Chats as templates may get them, for comparing engines: nulls, tool schemas, parts, reasoning, calls, pictures. */
import type { JsonObject, JsonValue } from "../../src/base/index.js";

const SCHEMA: JsonObject = {
  type: "object",
  properties: {
    target: { type: ["string", "null"], description: null, enum: ["a", null, "\u00e9<>&'"] },
    point: { type: "array", items: { type: "number", minimum: 0.5, maximum: 1e-7 }, minItems: 2 },
    nested: { type: "object", properties: { deep: { type: "boolean", default: null } }, required: [] },
    choice: { anyOf: [{ type: "string" }, { type: "null" }], default: "x" },
  },
  required: ["target"],
  additionalProperties: false,
};

const TOOLS: JsonObject[] = [
  { type: "function", function: { name: "tap", description: "Taps.", parameters: SCHEMA }, defer_loading: null },
  {
    type: "function",
    function: { name: "wait", parameters: { type: "object", properties: {} }, description: null },
    defer_loading: null,
  },
];

const NO_PARAMETERS: JsonObject[] = [
  { type: "function", function: { name: "f", description: null, parameters: null, strict: true }, defer_loading: null },
];

const user = (content: JsonValue): JsonObject => ({ role: "user", content });
const answer = (content: JsonValue, more: JsonObject = {}): JsonObject => ({ role: "assistant", content, ...more });
const system = (content: JsonValue): JsonObject => ({ role: "system", content });
const tool = (content: JsonValue, more: JsonObject = {}): JsonObject => ({
  role: "tool",
  content,
  tool_call_id: "call_0",
  ...more,
});
const call = (name: string, args: JsonValue): JsonObject => ({
  id: "call_0",
  type: "function",
  function: { name, arguments: args },
});
/** What transformers makes of a message with reasoning. */
const reasoned = (content: JsonValue, reasoning: string, more: JsonObject = {}): JsonObject => ({
  thinking: reasoning,
  ...answer(content, more),
  reasoning_content: reasoning,
});

const PARTS: JsonValue = [{ type: "text", text: "Look: " }, { type: "image" }, { type: "text", text: " and this" }];
const ARGUMENTS: JsonObject = { target: "a b", count: 3, ratio: 0.5, none: null, list: [1, "x", null], on: true };

/** Every chat is the variables of one rendering. */
export const CHATS: readonly { name: string; variables: JsonObject }[] = Object.entries<JsonObject>({
  "one question": { messages: [user("Hello\n")], add_generation_prompt: true },
  "two turns with a system prompt": {
    messages: [system("Be brief."), user("Hi"), answer("  Hello there \n"), user("x <think>y</think> z")],
    add_generation_prompt: true,
  },
  "ends with an answer": { messages: [user("Hi"), answer("Hello")], add_generation_prompt: false },
  "null content": {
    messages: [user("Hi"), answer(null, { tool_calls: [call("tap", ARGUMENTS)] }), tool("done"), user("next")],
    tools: TOOLS,
    add_generation_prompt: true,
  },
  "null fields in every message": {
    messages: [
      { ...system("S"), name: null, tool_calls: null },
      { ...user("Hi"), name: null, tool_calls: null, reasoning_content: null },
      answer("Hello", { name: null, tool_calls: null, reasoning_content: null, refusal: null }),
      { ...user("again"), tool_call_id: null },
    ],
    tools: null,
    add_generation_prompt: true,
  },
  tools: { messages: [system("S"), user("Tap it")], tools: TOOLS, add_generation_prompt: true },
  "tools without a system prompt": { messages: [user("Tap it")], tools: TOOLS, add_generation_prompt: true },
  "tools whose description and parameters are null": {
    messages: [user("Go")],
    tools: NO_PARAMETERS,
    add_generation_prompt: true,
  },
  "calls and results": {
    messages: [
      user("Tap it"),
      answer("", { tool_calls: [call("tap", ARGUMENTS), call("wait", {})] }),
      tool("ok", { name: "tap" }),
      tool("waited", { name: "wait", tool_call_id: "call_1" }),
      answer("Done."),
      user("Thanks"),
    ],
    tools: TOOLS,
    add_generation_prompt: true,
  },
  "arguments as text": {
    messages: [user("Tap it"), answer("", { tool_calls: [call("tap", '{"target": "a"}')] }), tool('{"ok": true}')],
    tools: TOOLS,
    add_generation_prompt: true,
  },
  reasoning: {
    messages: [
      user("Why?"),
      reasoned("Because.", "Let me think.\n\nYes."),
      user("And?"),
      reasoned("", "Hm.", { tool_calls: [call("tap", ARGUMENTS)] }),
      tool("ok"),
    ],
    tools: TOOLS,
    add_generation_prompt: true,
  },
  "thoughts inside the content": {
    messages: [user("Why?"), answer("<think>\nhm\n</think>\n\nBecause."), user("And?"), answer("<think></think>So.")],
    add_generation_prompt: false,
  },
  "parts with a picture": { messages: [system("S"), user(PARTS)], add_generation_prompt: true },
  "parts everywhere": {
    messages: [
      system([{ type: "text", text: "S" }]),
      user(PARTS),
      answer([{ type: "text", text: "I see." }]),
      user([{ type: "video" }, { type: "text", text: "and" }, { type: "image_url", image_url: { url: "x" } }]),
    ],
    add_generation_prompt: true,
  },
  "a picture in a tool's result": {
    messages: [
      user("Go"),
      answer("", { tool_calls: [call("tap", {})] }),
      tool([{ type: "text", text: "r" }, { type: "image" }]),
    ],
    tools: TOOLS,
    add_generation_prompt: true,
  },
  "thinking switched off": { messages: [user("Hi")], add_generation_prompt: true, enable_thinking: false },
  "thinking switched on": { messages: [user("Hi")], add_generation_prompt: true, enable_thinking: true },
  "kwargs of several families": {
    messages: [system("S"), user("Hi")],
    add_generation_prompt: true,
    add_vision_id: true,
    reasoning_effort: "high",
    thinking: true,
    date_string: "26 Jul 2024",
    builtin_tools: null,
    custom_tools: null,
    documents: [{ title: "T", text: "D" }],
  },
  "text that is hard to write": {
    messages: [
      system("quotes ' \" and \\ and {{ x }} {% y %}"),
      user("\u00e9\u4e2d\ud83d\ude00 \u2028 \u00a0x\u0085\ttab\r\nend  "),
      answer("&lt; <b> </s> [INST] \u0000"),
      user(""),
    ],
    add_generation_prompt: true,
  },
  "roles in an unusual order": {
    messages: [answer("First."), user("Hi"), user("Hi again"), answer("Hello"), answer("More")],
    add_generation_prompt: true,
  },
  "unknown roles": {
    messages: [user("Hi"), { role: "developer", content: "D" }, { role: "ipython", content: { a: null } }],
  },
  "no messages": { messages: [], add_generation_prompt: true },
  "without content": {
    messages: [{ role: "user" }, { role: "assistant", tool_calls: [] }],
    add_generation_prompt: true,
  },
}).map(([name, variables]) => ({
  name,
  variables: { bos_token: "<s>", eos_token: "</s>", unk_token: "<unk>", ...variables },
}));
