/** Rows that must be refused, with the reason: for content that cannot be carried, and for tool results that do not fit. */
import type { DialogueReason } from "../../src/dialogue/index.js";

type Case = [DialogueReason, object];

const user = (more: object = {}) => ({ role: "user", content: "q", ...more });
const assistant = (more: object = {}) => ({ role: "assistant", content: "a", ...more });
const part = (fields: object) => ({ messages: [user({ content: [fields] })] });
const call = (name: string, id?: unknown) => ({ id, type: "function", function: { name, arguments: "{}" } });
const calls = (...list: object[]) => assistant({ content: null, tool_calls: list });
const result = (id?: unknown) => ({ role: "tool", content: "r", tool_call_id: id });

export const CARRIER_CASES: Case[] = [
  ["content-unsupported", { messages: [user()], audios: ["a.wav"] }],
  ["content-unsupported", { messages: [user()], documents: [{ text: "d" }] }],
  ["content-unsupported", { messages: [user(), assistant({ audio: { id: "audio_1" } })] }],
  ["content-unsupported", part({ type: "input_audio", input_audio: { data: "AA" } })],
  ["content-unsupported", part({ type: "input_image", file_id: "file-1" })],
  ["content-unsupported", part({ type: "image", source: { type: "file", file_id: "f" } })],
  ["video-encoded", { messages: [user({ videos: ["a.mp4"] })] }],
  ["video-encoded", { messages: [user({ video: "a.mp4" })] }],
  ["field-in-wrong-role", { messages: [user({ tool_calls: [call("f")] })] }],
  ["field-in-wrong-role", { messages: [user({ function_call: { name: "f", arguments: "{}" } })] }],
  ["field-in-wrong-role", { messages: [user({ reasoning_content: "hm" })] }],
  ["field-in-wrong-role", { messages: [user({ tools: [{ name: "f" }] })] }],
  ["image-in-wrong-role", { messages: [user(), assistant({ images: ["a.png"] })] }],
  ["image-in-wrong-role", { messages: [{ role: "system", content: "s", image: "a.png" }, user()] }],
  ["image-placeholder-mismatch", { messages: [user({ content: "<image>", images: ["a.png", "b.png"] })] }],
  ["image-placeholder-mismatch", { messages: [user({ content: "<image> <image>", image: "a.png" })] }],
  ["image-placeholder-mismatch", { images: ["a.png"], messages: [user({ content: [{ type: "image", index: 1 }] })] }],
  ["fields-contradict", { system: "one", messages: [{ role: "system", content: "two" }, user()] }],
  ["fields-contradict", { system: "one", system_prompt: "two", messages: [user()] }],
  ["fields-contradict", { messages: [user()], conversations: [{ from: "human", value: "other" }] }],
  ["fields-contradict", { messages: [user()], images: ["a.png"], image: "b.png" }],
  ["fields-contradict", { messages: [user()], tools: [{ name: "f" }], functions: [{ name: "g" }] }],
  [
    "fields-contradict",
    { tools: [{ name: "f" }], messages: [{ role: "system", content: "", tools: [{ name: "g" }] }, user()] },
  ],
  ["fields-contradict", { messages: [user({ from: "gpt" })] }],
  ["fields-contradict", { messages: [user({ value: "another text" })] }],
  ["fields-contradict", { messages: [user(), assistant({ reasoning: "x", reasoning_content: "y" })] }],
  ["fields-contradict", { messages: [user(), assistant({ refusal: "no" })] }],
  [
    "fields-contradict",
    { messages: [user(), assistant({ tool_calls: [call("f")], function_call: { name: "g", arguments: "{}" } })] },
  ],
  ["fields-contradict", part({ type: "text", text: "t", image: "a.png" })],
  ["fields-contradict", part({ type: "image", image: "a.png", text: "t" })],
  ["fields-contradict", part({ type: "image", image: "a.png", url: "b.png" })],
  ["fields-contradict", part({ type: "image", image: { url: "a.png", path: "b.png" } })],
  ["tool-call-invalid", { messages: [user(), assistant({ tool_calls: "f()" })] }],
  ["tool-call-invalid", { messages: [user(), calls({ id: "c", type: "custom", custom: { name: "f", input: "x" } })] }],
  ["tool-call-invalid", { messages: [user(), { role: "function_call", content: "tap it" }] }],
  ["fields-contradict", { messages: [user(), calls({ name: "f", arguments: { x: 1 }, parameters: { x: 2 } })] }],
  ["image-size-rule", part({ type: "image", image: "a.png", max_pixels: "many" })],
  ["image-size-rule", part({ type: "image", image: "a.png", max_pixels: 0.5 })],
  ["image-size-rule", part({ type: "image", image: "a.png", min_pixels: 2000, max_pixels: 1000 })],
  ["image-size-rule", part({ type: "image", image: "a.png", resized_height: 280 })],
  ["image-size-rule", part({ type: "image", image: "a.png", resized_height: 280, resized_width: 28, max_pixels: 9 })],
  ["image-size-rule", part({ type: "video", video: ["0.png", "1.png"], fps: 1, max_pixels: 50_176 })],
  ["video-times", part({ type: "video", video: ["0.png", "1.png"], fps: 1, nframes: 1 })],
];

export const RESULT_CASES: Case[] = [
  ["tool-result-missing", { messages: [user(), calls(call("f"), call("g")), result(), user()] }],
  ["tool-result-missing", { messages: [user(), calls(call("f"), call("g")), result()] }],
  ["tool-result-missing", { messages: [user(), calls(call("f")), assistant()] }],
  ["tool-result-mismatch", { messages: [user(), calls(call("f")), result(), result(), assistant()] }],
  ["tool-result-mismatch", { messages: [user(), calls(call("f", "c1")), result("c2"), assistant()] }],
  [
    "tool-result-mismatch",
    { messages: [user(), calls(call("f", "c1"), call("g", "c2")), result("c1"), result("c1"), assistant()] },
  ],
  ["tool-call-invalid", { messages: [user(), calls(call("f", "c1"), call("g", "c1")), result("c1"), result("c1")] }],
  ["tool-call-invalid", { messages: [user(), calls(call("f", { no: "text" })), result(), assistant()] }],
  ["tool-without-call", { messages: [user(), calls(call("f")), result(), user(), result(), assistant()] }],
];
