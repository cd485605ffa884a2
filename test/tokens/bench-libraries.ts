/**
 * Tokenizer libraries held against transformers: equality first, speed second. Prints a Markdown table.
 *
 *   npx tsx test/tokens/bench-libraries.ts [--libraries DIR] [--tokenizer DIR] [--texts 20000] [--seed 1]
 *
 * DIR of --libraries has node_modules with the candidates; DIR of --tokenizer is a directory with tokenizer.json and
 * tokenizer_config.json (the embedded target where none is given). The reference is transformers where Python is there.
 */
import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { parseArgs } from "node:util";
import fc from "fast-check";
import { packageRoot } from "../../src/trainer-process/index.js";
import { someText, withMarks } from "./arbitraries.js";
import { builtIn, candidates, type Library } from "./libraries.js";
import { findReference, Reference, TINY_GUI } from "./reference.js";

const { values } = parseArgs({
  options: {
    libraries: { type: "string" },
    tokenizer: { type: "string", default: TINY_GUI },
    texts: { type: "string", default: "20000" },
    seed: { type: "string", default: "1" },
  },
});
const COUNT = Number(values.texts);
/** Characters of a text in the measurement of speed, and how many. */
const CHUNK = 1000;
const CHUNKS = 1500;
const ROUNDS = 3;

const json = await readFile(join(values.tokenizer, "tokenizer.json"), "utf8");
const config = await readFile(join(values.tokenizer, "tokenizer_config.json"), "utf8");
const split = /"Regex":\s*("(?:[^"\\]|\\.)*")/.exec(json)?.[1];
if (split === undefined) throw new Error("tokenizer.json has no split rule");

/** The tree's own sources and notes: words and code, the same everywhere. */
async function corpus(): Promise<string[]> {
  const root = join(packageRoot(), "src");
  const files = (await readdir(root, { recursive: true })).filter((file) => /\.(ts|py)$/.test(file)).sort();
  let text = await readFile(join(packageRoot(), "README.md"), "utf8");
  for (const file of files) {
    if (text.length >= CHUNK * CHUNKS) break;
    text += await readFile(join(root, file), "utf8");
  }
  return Array.from({ length: Math.min(CHUNKS, Math.floor(text.length / CHUNK)) }, (_, at) =>
    text.slice(at * CHUNK, (at + 1) * CHUNK),
  );
}

async function referenceIds(texts: string[], fallback: Library): Promise<{ name: string; ids: ArrayLike<number>[] }> {
  const found = await findReference();
  if ("missing" in found) return { name: fallback.name, ids: await fallback.encode(texts) };
  const reference = new Reference(found.executable, values.tokenizer);
  try {
    const version = await reference.ask<{ transformers: string }>({ kind: "version" });
    const ids: number[][] = [];
    for (let at = 0; at < texts.length; at += 1000) {
      const answer = await reference.ask<{ ids: number[][] }>({ kind: "texts", texts: texts.slice(at, at + 1000) });
      if ("error" in answer) throw new Error(answer.error);
      ids.push(...answer.ids);
    }
    return { name: `transformers ${"error" in version ? "" : version.transformers}`, ids };
  } catch (error) {
    process.stderr.write(`no transformers for this directory (${String(error)}): held against the native library\n`);
    return { name: fallback.name, ids: await fallback.encode(texts) };
  } finally {
    reference.close();
  }
}

/** CPU seconds of the whole process, threads included: wall clock tells little on a machine that others use. */
async function cpuSeconds(library: Library, texts: readonly string[]): Promise<number> {
  const before = process.cpuUsage();
  await library.encode(texts);
  const { user, system } = process.cpuUsage(before);
  return (user + system) / 1e6;
}

async function fastest(library: Library, texts: readonly string[]): Promise<number> {
  let best = Number.POSITIVE_INFINITY;
  for (let round = 0; round < ROUNDS; round += 1) best = Math.min(best, await cpuSeconds(library, texts));
  return best;
}

const equal = (a: ArrayLike<number>, b: ArrayLike<number>): boolean =>
  a.length === b.length && Array.from(a).every((id, at) => id === b[at]);

const own = builtIn(json);
const others =
  values.libraries === undefined ? [] : await candidates(values.libraries, json, config, JSON.parse(split));
const seed = Number(values.seed);
/** What generators seldom meet: an added token before a mark that composes with its last letter. */
const PINNED = ["<|im_end|>\u0338", "<think>\u0338a\u0301", "\u0915\u093c<|im_start|>\u0338\u0338"];
const texts = [
  ...PINNED,
  ...fc.sample(someText(), { seed, numRuns: Math.ceil(COUNT / 2) }),
  ...fc.sample(withMarks(), { seed, numRuns: Math.floor(COUNT / 2) }),
];
const expected = await referenceIds(texts, own[1]!);
const speedTexts = await corpus();
const characters = speedTexts.reduce((sum, text) => sum + text.length, 0);
console.log(`Reference: ${expected.name}; ${texts.length} generated texts, seed ${seed}.`);
console.log(`Speed: ${speedTexts.length} texts of ${CHUNK} characters, CPU time of all threads, best of ${ROUNDS}.\n`);
console.log("| library | texts with other ids | million characters a CPU second | ratio to native batches |");
console.log("|---|---|---|---|");
const examples: string[] = [];
const rows: { name: string; wrong: string; seconds: number }[] = [];
for (const library of [...own, ...others]) {
  let wrong: string;
  try {
    const ids = await library.encode(texts);
    const bad = texts.filter((_, at) => !equal(ids[at]!, expected.ids[at]!));
    wrong = String(bad.length);
    const shortest = bad.sort((a, b) => a.length - b.length)[0];
    if (shortest !== undefined) examples.push(`${library.name}: ${JSON.stringify(shortest)}`);
  } catch (error) {
    wrong = `fails: ${error instanceof Error ? error.message : String(error)}`.slice(0, 80);
  }
  // Ours remembers pieces: texts that it has seen would flatter it, so it gets each of them once.
  const seconds =
    library === own[2] ? await cpuSeconds(builtIn(json)[2]!, speedTexts) : await fastest(library, speedTexts);
  rows.push({ name: library.name, wrong, seconds });
}
const base = rows[1]!.seconds;
for (const { name, wrong, seconds } of rows) {
  console.log(`| ${name} | ${wrong} | ${(characters / seconds / 1e6).toFixed(2)} | ${(base / seconds).toFixed(2)} |`);
}
if (examples.length > 0)
  console.log(`\nShortest texts that differ:\n\n${examples.map((line) => `- ${line}`).join("\n")}`);
