/** Schema of what a data set gives as a free JSON object: tool definitions and arguments of tool calls. */
import { z } from "zod";
import { isJsonObject, JsonNumber, type JsonObject } from "../base/index.js";

/** zod's own JSON schema copies every value, leaves out keys named __proto__ and knows no JsonNumber. */
export const jsonObjectSchema = z.custom<JsonObject>(
  (value) => isJsonObject(value) && isJson(value),
  "expected an object of JSON values",
);

/** Not recursive: rows are untrusted, and JSON.parse takes any depth. */
function isJson(value: unknown): boolean {
  const open: unknown[] = [value];
  while (open.length > 0) {
    const next = open.pop();
    if (typeof next === "number" ? !Number.isFinite(next) : !["string", "boolean", "object"].includes(typeof next)) {
      return false;
    }
    if (typeof next !== "object" || next === null || next instanceof JsonNumber) continue;
    // Sets, dates and other classes would be written as something else than they are.
    const prototype: unknown = Array.isArray(next) ? Object.prototype : Object.getPrototypeOf(next);
    if (prototype !== Object.prototype && prototype !== null) return false;
    for (const member of Object.values(next)) open.push(member);
  }
  return true;
}
