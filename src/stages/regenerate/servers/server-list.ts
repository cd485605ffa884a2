/** Which servers a run uses: from the options, or from a file that may change during the run. */
import { readFile, stat } from "node:fs/promises";
import { parseDocument } from "yaml";
import { DraftsmithError, defined, hideSecretsIn, serverName } from "../../../base/index.js";
import type { RegenerateOptions } from "../options.js";
import { type Concurrency, type ServerEntry, serverEntrySchema } from "./options.js";

export interface WantedServer {
  url: string;
  concurrency: Concurrency;
}

/** Enough for ten thousand addresses; anything larger is another kind of file. */
const MAX_FILE_BYTES = 1 << 20;
/** Assumed for `auto` in estimates: what one GPU usually handles. */
const AUTO_GUESS = 32;

/** @throws DraftsmithError - the servers file cannot be read or is not valid */
export async function wantedServers(options: RegenerateOptions): Promise<WantedServer[]> {
  if (options.serversFile === undefined) return distinct(options.servers, options.concurrency);
  return parseServersFile(await readServersFile(options.serversFile), options.serversFile, options.concurrency);
}

/** @throws DraftsmithError INPUT_MISSING, INPUT_INVALID */
export async function readServersFile(path: string): Promise<string> {
  let bytes: number;
  try {
    bytes = (await stat(path)).size;
    if (bytes <= MAX_FILE_BYTES) return await readFile(path, "utf8");
  } catch (error) {
    throw new DraftsmithError("INPUT_MISSING", "the servers file cannot be read", {
      location: { file: path, field: "serversFile" },
      hint: "write one address a line, such as http://127.0.0.1:30000",
      cause: error,
    });
  }
  throw new DraftsmithError("INPUT_INVALID", `${bytes} bytes are too many for a list of servers`, {
    location: { file: path, field: "serversFile" },
  });
}

/**
 * One address a line, optionally followed by its concurrency, or a YAML list (or JSON, which is YAML).
 *
 * @throws DraftsmithError INPUT_INVALID - an entry is no address, or there is none
 */
export function parseServersFile(text: string, path: string, concurrency: Concurrency): WantedServer[] {
  const lines = text.replace(/^\uFEFF/, "").split(/\r?\n/);
  const first = lines.map(withoutComment).find((line) => line !== "") ?? "";
  const isList = /^(\[|-(\s|$)|---)/.test(first);
  const entries = isList ? listEntries(text, path) : lineEntries(lines, path);
  if (entries.length === 0) throw invalid(path, "it names no server");
  return distinct(entries, concurrency);
}

/** In flight on all servers together, for estimates; a file that does not exist yet is no error. */
export async function expectedLoad(options: RegenerateOptions): Promise<{ inFlight: number; words: string }> {
  const guess = (value: Concurrency): number =>
    value === "auto" ? Math.min(AUTO_GUESS, options.maxConcurrency) : value;
  let servers: WantedServer[];
  try {
    servers = await wantedServers(options);
  } catch (error) {
    if (!(error instanceof DraftsmithError)) throw error;
    return { inFlight: guess(options.concurrency), words: `a servers file that is not usable yet: ${error.message}` };
  }
  const inFlight = servers.reduce((sum, server) => sum + guess(server.concurrency), 0);
  const isGuess = servers.some((server) => server.concurrency === "auto");
  const found = isGuess ? ` (a guess: auto finds its own, up to ${options.maxConcurrency} a server)` : "";
  return { inFlight, words: `${servers.length} server(s), ${inFlight} dialogues in flight${found}` };
}

function lineEntries(lines: readonly string[], path: string): ServerEntry[] {
  const entries: ServerEntry[] = [];
  for (const [index, line] of lines.entries()) {
    const [url, own, ...rest] = withoutComment(line).split(/\s+/);
    if (url === undefined || url === "") continue;
    if (rest.length > 0) throw invalid(path, "more than an address and a concurrency", index + 1);
    const given = own === undefined ? url : { url, concurrency: own === "auto" ? own : Number(own) };
    entries.push(checked(given, path, index + 1));
  }
  return entries;
}

function listEntries(text: string, path: string): ServerEntry[] {
  const document = parseDocument(text, { prettyErrors: false, logLevel: "silent" });
  const [error] = document.errors;
  if (error !== undefined) {
    throw invalid(path, `not a YAML list: ${error.message}`, text.slice(0, error.pos[0]).split("\n").length);
  }
  let value: unknown;
  try {
    value = document.toJS({ maxAliasCount: 0 });
  } catch {
    throw invalid(path, "a list of servers needs no aliases");
  }
  if (!Array.isArray(value)) throw invalid(path, "not a list of addresses");
  return value.map((entry) => checked(entry, path, undefined));
}

/** Addresses contain no blanks, so a # after one begins a comment. */
function withoutComment(line: string): string {
  return line.replace(/(^|\s)#.*$/, "").trim();
}

function checked(entry: unknown, path: string, line: number | undefined): ServerEntry {
  const parsed = serverEntrySchema.safeParse(entry);
  if (parsed.success) return parsed.data;
  // A malformed address may hold credentials; they are hidden before the text is shortened.
  const shown = JSON.stringify(hideSecretsIn(entry)) ?? String(entry);
  throw invalid(path, `${shown.slice(0, 200)} is no address with an optional concurrency`, line);
}

function invalid(path: string, problem: string, line?: number): DraftsmithError {
  return new DraftsmithError("INPUT_INVALID", problem, {
    location: { file: path, ...defined({ line }) },
    hint: "write one address a line, such as http://127.0.0.1:30000 or http://127.0.0.1:30000 32, or a YAML list",
  });
}

/** Of an address that is named twice, the first entry is used. */
function distinct(entries: readonly ServerEntry[], concurrency: Concurrency): WantedServer[] {
  const servers = new Map<string, WantedServer>();
  for (const entry of entries) {
    const { url, concurrency: own } = typeof entry === "string" ? { url: entry, concurrency: undefined } : entry;
    const key = serverName(url);
    if (!servers.has(key)) servers.set(key, { url, concurrency: own ?? concurrency });
  }
  return [...servers.values()];
}
