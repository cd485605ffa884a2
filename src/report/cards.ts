/** Pieces of the cards (README.md) that artifacts for hubs carry. Cards have no times and no paths of this machine. */
import { z } from "zod";
import { canonicalJson, type JsonValue } from "../base/index.js";

/** What the front matter of a card may name; it ends up in YAML. */
export const licenseSchema = z
  .string()
  .regex(/^[A-Za-z0-9][A-Za-z0-9.+-]*$/, "expected an identifier such as apache-2.0, cc-by-4.0 or other")
  .default("unknown");

export const NOT_RECORDED = "not recorded";

/** A table of names and values without a heading. */
export function factTable(lines: readonly (readonly [name: string, value: string])[]): string {
  return ["| | |", "|---|---|", ...lines.map(([name, value]) => `| ${name} | ${value} |`)].join("\n");
}

/** A recorded value, in a table cell. */
export function recorded(value: JsonValue | undefined): string {
  if (value === undefined || value === null) return NOT_RECORDED;
  return cell(typeof value === "string" ? value : canonicalJson(value));
}

/** A recorded fingerprint, in full. */
export function fingerprintCell(value: JsonValue | undefined): string {
  return typeof value === "string" ? `\`${value}\`` : NOT_RECORDED;
}

/** Texts of users must not end a table cell or open markup. */
export function cell(text: string): string {
  const line = text.replace(/\s+/g, " ").trim();
  const cut = line.length > 200 ? `${line.slice(0, 200)}...` : line;
  return cut.replace(/[\\|<>[\]`*_]/g, (character) => `\\${character}`);
}

/** Enough of a digest to recognise an artifact. */
export function shortDigest(digest: string): string {
  return digest.slice(0, 16);
}
