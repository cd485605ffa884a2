/** One storm: servers in another process that fail by plan, the stage against them, and its account against the plan. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { isDeepStrictEqual } from "node:util";
import type { RejectedRow } from "../../../../src/dialogue/index.js";
import { startStub } from "../../../sglang-client/stub-server.js";
import { dialogues, lines, type RunResult, runStage, temporaryDirectory, writeArtifact } from "../harness.js";
import { endOf, requestsOf, STORM_RETRIES } from "./storm-plan.js";

export interface StormReport {
  dialogues: number;
  /** Questions that reached the servers; the plan's number, and more where one died under them. */
  requests: number;
  planned: number;
  deaths: number;
  /** Faults by kind, as the servers count them. */
  served: Record<string, number>;
  counts: RunResult["draft"]["counts"];
  seconds: number;
  /** What does not balance, in words; empty when all does. */
  wrong: string[];
}

export async function runStorm(count: number, seed: number, dieEvery: number): Promise<StormReport> {
  const rows = dialogues(count);
  const input = await writeArtifact(await temporaryDirectory(), rows);
  const calm = await startStub();
  const undisturbed = await runStage({ input, options: { servers: [calm.url], concurrency: 32 } });
  await calm.close();
  const script = join(import.meta.dirname, "storm-server.ts");
  const server = spawn(process.execPath, ["--import", "tsx", script, `${seed}`, "3", `${dieEvery}`], {
    stdio: ["pipe", "pipe", "inherit"],
  });
  try {
    const answers = createInterface({ input: server.stdout });
    const line = async (): Promise<unknown> => JSON.parse(((await once(answers, "line")) as [string])[0]);
    const servers = (await line()) as string[];
    const began = performance.now();
    const result = await runStage({
      input,
      options: {
        servers,
        concurrency: 40,
        retries: STORM_RETRIES,
        retryDelaySeconds: 0.01,
        requestTimeoutSeconds: 120,
        maxFailedShare: 1,
        maxNewTokens: 500,
      },
    });
    const seconds = (performance.now() - began) / 1000;
    const counted = line();
    server.stdin.write("\n");
    const { requests, deaths, served } = (await counted) as Pick<StormReport, "requests" | "deaths" | "served">;
    const planned = rows.reduce((sum, _row, k) => sum + requestsOf(seed, k), 0);
    const wrong = compare(count, seed, result, undisturbed);
    if (deaths === 0 && requests !== planned) wrong.push(`${requests} requests, ${planned} planned`);
    return { dialogues: count, requests, planned, deaths, served, counts: result.draft.counts, seconds, wrong };
  } finally {
    server.kill();
  }
}

/** Row by row: how each dialogue ended, in what order, and with which answers. */
function compare(count: number, seed: number, result: RunResult, undisturbed: RunResult): string[] {
  const wrong: string[] = [];
  const others = lines(result.rejected) as RejectedRow[];
  let [kept, dropped] = [0, 0];
  const expected = {
    done: 0,
    partial: {} as Record<string, number>,
    rejected: {} as Record<string, number>,
    failed: 0,
  };
  for (let k = 0; k < count; k += 1) {
    const end = endOf(seed, k);
    const isKept = end.status === "done" || end.status === "partial";
    const row = isKept ? result.rows[kept++] : others[dropped++];
    const found = row && { id: row.id, status: row.status, reason: row.reason };
    const wanted = { id: `d${k}`, status: end.status, reason: end.reason };
    if (!isDeepStrictEqual(found, wanted)) wrong.push(`${JSON.stringify(wanted)} came as ${JSON.stringify(found)}`);
    if (end.status === "done") expected.done += 1;
    if (end.status === "failed") expected.failed += 1;
    if (end.status === "partial") add(expected.partial, end.reason!);
    if (!isKept) add(expected.rejected, end.reason!);
    const calm = undisturbed.rows[k]!;
    const turns = isKept ? result.rows[kept - 1]?.turns : [];
    if (!isDeepStrictEqual(turns, calm.turns.slice(0, end.turns))) wrong.push(`d${k} has other turns`);
    if (end.status === "done" && !isDeepStrictEqual(result.rows[kept - 1], calm)) wrong.push(`d${k} is another row`);
    if (wrong.length > 20) return wrong;
  }
  if (kept !== result.rows.length) wrong.push(`${result.rows.length} rows, ${kept} expected`);
  if (dropped !== others.length) wrong.push(`${others.length} rejected, ${dropped} expected`);
  const { done, partial, rejected, failed, read } = result.draft.counts;
  const counted = { done, partial: partial ?? {}, rejected, failed };
  if (!isDeepStrictEqual(counted, expected) || read !== count)
    wrong.push(`counts ${JSON.stringify({ read, ...counted })}, expected ${JSON.stringify(expected)}`);
  return wrong;
}

function add(counts: Record<string, number>, reason: string): void {
  counts[reason] = (counts[reason] ?? 0) + 1;
}
