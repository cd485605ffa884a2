/** The names that data sets give to roles. */
import type { Role } from "./dialogue.js";
import { RowProblem } from "./row-problem.js";

const ROLES: Record<string, Role> = {
  system: "system",
  developer: "system",
  user: "user",
  human: "user",
  assistant: "assistant",
  gpt: "assistant",
  model: "assistant",
  bot: "assistant",
  chatgpt: "assistant",
  // A call that stands in a message of its own; the reader parses its text.
  function_call: "assistant",
  tool: "tool",
  function: "tool",
  observation: "tool",
  tool_response: "tool",
};

export function roleOf(name: unknown, where: string): Role {
  if (typeof name !== "string") throw new RowProblem("message-invalid", `${where}: its role is no text`);
  const role = Object.hasOwn(ROLES, name.toLowerCase()) ? ROLES[name.toLowerCase()] : undefined;
  if (role === undefined) throw new RowProblem("role-unknown", `${where}: ${JSON.stringify(name.slice(0, 60))}`);
  return role;
}
