/** In which form earlier answers entered the prompts that a server saw: regenerate's option historyContent. */
import type { Message } from "../../dialogue/index.js";
import type { ValidationCounts } from "./subject.js";

/**
 * `unchanged` where an answer keeps its thinking in the text, or white space around it; `trimmed` where there is thinking
 * without any of that; undefined where no earlier answer could tell the two apart.
 */
export function historyForm(history: readonly Message[]): "unchanged" | "trimmed" | undefined {
  let form: "trimmed" | undefined;
  for (const { role, content, reasoning = "" } of history) {
    if (role !== "assistant") continue;
    const text = content.map((part) => (part.type === "text" ? part.text : "")).join("");
    if (text.includes("</think>") || text.startsWith("\n") || reasoning !== reasoning.trim()) return "unchanged";
    if (reasoning !== "") form = "trimmed";
  }
  return form;
}

/** "unchanged (443 turns)" */
export function historyText({
  historyUnchanged,
  historyTrimmed,
}: Pick<ValidationCounts, "historyUnchanged" | "historyTrimmed">): string {
  return [
    ...(historyUnchanged === 0 ? [] : [`unchanged (${historyUnchanged} turns)`]),
    ...(historyTrimmed === 0 ? [] : [`trimmed (${historyTrimmed} turns)`]),
  ].join(", ");
}
