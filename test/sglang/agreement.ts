/** Two servers' answers to the same dialogues, compared turn for turn. */
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { generationSchema, turnIds } from "../../src/dialogue/index.js";

export interface Agreement {
  turns: number;
  /** Turns that are not the first of their dialogue. */
  laterTurns: number;
  /** Turns whose prompt shows a picture. */
  images: number;
  equalPrompts: number;
  equalResponses: number;
  /** Response tokens of the first server. */
  tokens: number;
  /** Where equal prompts got different answers: a near-tie that fell the other way. Later turns then differ too. */
  flips: { id: string; turn: number; at: number; first: number | null; second: number | null }[];
}

export async function compareGenerations(first: string, second: string): Promise<Agreement> {
  const [ours, theirs] = [await read(first), await read(second)];
  const agreement: Agreement = {
    turns: 0,
    laterTurns: 0,
    images: 0,
    equalPrompts: 0,
    equalResponses: 0,
    tokens: 0,
    flips: [],
  };
  for (const [id, { generation, turns }] of ours) {
    const others = theirs.get(id)?.turns ?? [];
    for (const [turn, { prompt, response }] of turns.entries()) {
      const other = others[turn];
      agreement.turns += 1;
      agreement.laterTurns += turn > 0 ? 1 : 0;
      agreement.images += generation.turns[turn]!.imageHashes.length > 0 ? 1 : 0;
      agreement.tokens += response.length;
      if (other === undefined || firstDifference(prompt, other.prompt) !== null) continue;
      agreement.equalPrompts += 1;
      const at = firstDifference(response, other.response);
      if (at === null) agreement.equalResponses += 1;
      else agreement.flips.push({ id, turn, at, first: response[at] ?? null, second: other.response[at] ?? null });
    }
  }
  return agreement;
}

async function read(artifact: string) {
  const lines = (await readFile(join(artifact, "generations.jsonl"), "utf8")).trim().split("\n");
  const generations = lines.map((line) => generationSchema.parse(JSON.parse(line)));
  return new Map(generations.map((generation) => [generation.id, { generation, turns: turnIds(generation.turns) }]));
}

function firstDifference(a: Int32Array, b: Int32Array): number | null {
  const length = Math.max(a.length, b.length);
  for (let at = 0; at < length; at += 1) if (a[at] !== b[at]) return at;
  return null;
}
