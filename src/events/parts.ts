/** The parts of a step (its servers) as a table under the live line, and as one line for logs. */
import type { ProgressPart } from "./event.js";
import { formatNumber, formatReasons } from "./format.js";

/** Up to this many parts are listed one by one in a log line; more are summarised, and only failing ones named. */
const TOLD_SINGLY = 4;
const TROUBLES_TOLD = 3;

/**
 * One line for each part, in columns; those in trouble first when not all fit.
 *
 * @param width - most characters per line
 * @param most - most lines
 */
export function partLines(parts: readonly ProgressPart[], width: number, most: number): string[] {
  if (parts.length === 0) return [];
  const isWhole = parts.length <= most;
  const shown = isWhole ? parts : troubledFirst(parts).slice(0, Math.max(0, most - 1));
  const cells = shown.map((part) => [
    part.name,
    part.state,
    ...Object.entries(part.values).map(([name, value]) => `${formatNumber(value)} ${name}`),
    ...(part.note === undefined ? [] : [part.note.replaceAll(/\s+/g, " ")]),
  ]);
  // A long name must not push the numbers off the screen.
  const nameWidth = Math.min(Math.max(8, Math.floor(width / 3)), Math.max(...cells.map(([name]) => name!.length), 0));
  const widths: number[] = [nameWidth];
  for (const row of cells) {
    for (const [at, cell] of row.entries()) if (at > 0) widths[at] = Math.max(widths[at] ?? 0, cell.length);
  }
  const lines = cells.map((row, index) => {
    const valueCells = 2 + Object.keys(shown[index]!.values).length;
    return row
      .map((cell, at) => {
        if (at === 0) return shorten(cell, nameWidth).padEnd(nameWidth);
        return at === 1 ? cell.padEnd(widths[1]!) : at < valueCells ? cell.padStart(widths[at]!) : cell;
      })
      .join("  ")
      .trimEnd();
  });
  if (!isWhole)
    lines.push(
      `and ${formatNumber(parts.length - shown.length)} more: ${byState(troubledFirst(parts).slice(shown.length))}`,
    );
  return lines.map((line) => `  ${line}`);
}

/** `3 servers: ...` in one line. */
export function describeParts(parts: readonly ProgressPart[]): string {
  if (parts.length <= TOLD_SINGLY) return parts.map(describePart).join("; ");
  const troubled = parts.filter(({ state }) => state !== "up");
  const named = troubled.slice(0, TROUBLES_TOLD).map(describePart);
  const rest = troubled.length > named.length ? [`${troubled.length - named.length} more in trouble`] : [];
  return [`${formatNumber(parts.length)} in all: ${byState(parts)}`, ...named, ...rest].join("; ");
}

/** Changes exactly when a part changes its state. */
export function stateOfParts(parts: readonly ProgressPart[]): string {
  return parts.map(({ name, state }) => `${name} ${state}`).join("\n");
}

function describePart({ name, state, values, note }: ProgressPart): string {
  if (state !== "up") return `${name} ${state}${note === undefined ? "" : ` (${note.replaceAll(/\s+/g, " ")})`}`;
  const told = Object.entries(values).map(([label, value]) => `${formatNumber(value)} ${label}`);
  return `${name} ${told.join(", ")}`;
}

function troubledFirst(parts: readonly ProgressPart[]): ProgressPart[] {
  return [...parts.filter(({ state }) => state !== "up"), ...parts.filter(({ state }) => state === "up")];
}

function byState(parts: readonly ProgressPart[]): string {
  const counts: Record<string, number> = {};
  for (const { state } of parts) counts[state] = (counts[state] ?? 0) + 1;
  return formatReasons(counts);
}

/** Servers differ at the end of their addresses, so names are cut at the front. */
function shorten(name: string, width: number): string {
  return name.length <= width ? name : `…${name.slice(name.length - width + 1)}`;
}
