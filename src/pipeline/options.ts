/** Options of stages and services: checked by their schema, with paths made absolute. */
import { resolve } from "node:path";
import type { z } from "zod";
import { JsonNumber, parseKeepingLiterals } from "../base/index.js";
import type { FileOptions } from "../stages/stage.js";
import { explainIssues, type Issue } from "./issues.js";
import { changeOption } from "./nested-options.js";

export interface OptionOwner {
  options: z.ZodType;
  fileOptions?: FileOptions<Record<string, unknown>>;
  renamedOptions?: Readonly<Record<string, string>>;
}

export type OptionsResult = { options: Record<string, unknown> } | { issues: Issue[] };

/** Defaults filled in and file options resolved against `directory`. */
export function parseOptions(owner: OptionOwner, value: unknown, directory: string): OptionsResult {
  const parsed = parseKeepingLiterals(owner.options, value);
  if (!parsed.success) {
    const issues = explainIssues(parsed.error, owner.options, "option");
    return { issues: issues.map((issue) => withNewName(issue, owner.renamedOptions ?? {})) };
  }
  return { options: resolveFiles(owner, parsed.data as Record<string, unknown>, directory) };
}

/** A copy of the options in which every path is absolute, taken as relative to a directory. */
export function resolveFiles(
  { fileOptions }: Pick<OptionOwner, "fileOptions">,
  options: Readonly<Record<string, unknown>>,
  directory: string,
): Record<string, unknown> {
  return Object.keys(fileOptions ?? {}).reduce<Record<string, unknown>>(
    (made, name) => changeOption(made, name, (value) => mapStrings(value, (path) => resolve(directory, path))),
    { ...options },
  );
}

function withNewName(issue: Issue, renamed: Readonly<Record<string, string>>): Issue {
  const [name, ...below] = issue.path;
  const isUnknown = issue.atKey && below.length === 0 && Object.hasOwn(renamed, String(name));
  return isUnknown ? { ...issue, hint: `it is called ${renamed[String(name)]} now` } : issue;
}

/** Applies `change` to every string in a value; maps and lists keep their shape. */
export function mapStrings(value: unknown, change: (text: string) => string): unknown {
  if (typeof value === "string") return change(value);
  if (Array.isArray(value)) return value.map((item) => mapStrings(item, change));
  if (typeof value !== "object" || value === null || value instanceof JsonNumber) return value;
  return Object.fromEntries(Object.entries(value).map(([key, member]) => [key, mapStrings(member, change)]));
}

/** Every string in a value with its dotted place. */
export function listStrings(value: unknown, place: string): { place: string; text: string }[] {
  if (typeof value === "string") return [{ place, text: value }];
  if (typeof value !== "object" || value === null || value instanceof JsonNumber) return [];
  return Object.entries(value).flatMap(([key, member]) => listStrings(member, `${place}.${key}`));
}
