/** Tool calls and tool definitions in the spellings that data sets have for them. */
import { defined, isJsonObject, JsonNumber, type JsonObject, numberOf, parseJson } from "../base/index.js";
import type { ToolCall } from "./dialogue.js";
import { Fields, type UnreadFields } from "./fields.js";
import { RowProblem } from "./row-problem.js";

/** undefined for text that is not JSON. */
function jsonIn(text: string): unknown {
  try {
    return parseJson(text);
  } catch {
    return undefined;
  }
}

/** An id as text; one that is a number keeps its literal. */
export function idText(value: unknown): string | undefined {
  if (typeof value === "string") return value === "" ? undefined : value;
  return typeof value === "number" || value instanceof JsonNumber ? String(value) : undefined;
}

/** One call, a list of calls, or the JSON text of either. */
export function toolCallsOf(value: unknown, where: string, unread: UnreadFields): ToolCall[] {
  const given = typeof value === "string" ? jsonIn(value) : value;
  const list = Array.isArray(given) ? given : [given];
  return list.map((item) => {
    const call = typeof item === "string" ? jsonIn(item) : item;
    if (!isJsonObject(call)) throw new RowProblem("tool-call-invalid", `${where}: the call is no JSON object`);
    return toolCallOf(call, where, unread);
  });
}

/** `{function: {name, arguments}}` or `{name, arguments}`; arguments as an object or its JSON text. */
function toolCallOf(call: JsonObject, where: string, unread: UnreadFields): ToolCall {
  const outer = new Fields(call, "call", where, unread);
  const id = outer.take("id");
  const text = idText(id);
  const fail = (message: string): RowProblem => new RowProblem("tool-call-invalid", `${where}: ${message}`);
  if (id !== undefined && text === undefined) throw fail("the id of a tool call is no text");
  const type = outer.take("type");
  if (type !== undefined && type !== "function") throw fail("a tool call of another type than function");
  const named = outer.take("function");
  const inner = isJsonObject(named) ? new Fields(named, "call", where, unread) : outer;
  if (named !== undefined && !isJsonObject(named)) throw fail("`function` of a tool call is no object");
  const name = inner.take("name");
  const given = inner.takeOne(["arguments", "parameters"]) ?? {};
  const parsed = typeof given === "string" ? jsonIn(given.trim() === "" ? "{}" : given) : given;
  if (typeof name !== "string" || !isJsonObject(parsed)) {
    throw fail("a tool call without name, or with arguments that are no object");
  }
  // Streamed answers number the calls of a list.
  if (numberOf(call.index) !== undefined) outer.take("index");
  inner.finish();
  if (inner !== outer) outer.finish();
  return { ...defined({ id: text }), name, arguments: parsed };
}

/** Definitions in OpenAI's form: a list, its JSON text, or a list of bare functions; an empty list is none. */
export function toolsOf(value: unknown): JsonObject[] | undefined {
  if (value === undefined) return undefined;
  const list = typeof value === "string" ? jsonIn(value) : value;
  if (!Array.isArray(list) || !list.every(isJsonObject)) {
    throw new RowProblem("tools-invalid", "`tools` is no list of objects");
  }
  return list.length === 0 ? undefined : list.map(inFunctionForm);
}

/** Servers take no function without the object around it; templates print both alike. */
function inFunctionForm(tool: JsonObject): JsonObject {
  const { type, ...own } = tool;
  if (isJsonObject(tool.function) || typeof tool.name !== "string") return tool;
  return type === undefined || type === "function" ? { type: "function", function: own } : tool;
}
