/** The names that data sets give to roles. */
import type { Role } from "./dialogue.js";
import type { Fields } from "./fields.js";
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
  function_call: "assistant",
  tool_call: "assistant",
  tool_calls: "assistant",
  tool: "tool",
  function: "tool",
  observation: "tool",
  tool_response: "tool",
  tool_result: "tool",
};

/** Names of messages that are nothing but calls, whose content is their JSON. */
const CALLS = ["function_call", "tool_call", "tool_calls"];

export interface RoleName {
  role: Role;
  isCall: boolean;
}

/** The role under `role` or `from`; where both have a value, they must mean the same. */
export function takeRole(fields: Fields): RoleName {
  const [name, other] = [fields.take("from"), fields.take("role")];
  const found = roleNamed(name ?? other, fields.where);
  if (name === undefined || other === undefined) return found;
  const second = roleNamed(other, fields.where);
  if (found.role !== second.role || found.isCall !== second.isCall) throw fields.contradiction("from", "role");
  return found;
}

function roleNamed(name: unknown, where: string): RoleName {
  if (typeof name !== "string") throw new RowProblem("message-invalid", `${where}: its role is no text`);
  const key = name.toLowerCase();
  const role = Object.hasOwn(ROLES, key) ? ROLES[key] : undefined;
  if (role === undefined) throw new RowProblem("role-unknown", `${where}: ${JSON.stringify(name.slice(0, 60))}`);
  return { role, isCall: CALLS.includes(key) };
}
