/**
 * `storm-server.ts SEED SERVERS DIE_EVERY`: servers that fail as planned, in a process of their own. Attempts are
 * counted over all of them. After DIE_EVERY requests (0: never) one dies and comes back on its port; they take turns.
 * Prints its addresses; on a line of input, how many requests came and which faults were served.
 */
import { createInterface } from "node:readline";
import type { JsonObject } from "../../../../src/base/index.js";
import { type Fault, type Stub, startStub } from "../../../sglang-client/stub-server.js";
import { faultAt, planOf, STORM_RETRIES } from "./storm-plan.js";

const [seed = 1, servers = 3, dieEvery = 0] = process.argv.slice(2).map(Number);
const DEAD_MS = 300;
const QUESTION = /Dialogue (\d+), turn (\d+)/;

const attempts = new Map<string, number>();
const served: Record<string, number> = {};
/** Questions that one more mishap could end under another reason than the planned one: nobody dies under them. */
const close = new Set<string>();
const stubs: Stub[] = [];
let requests = 0;
let deaths = 0;
let isDying = false;

function fault(_n: number, body: JsonObject): Fault | undefined {
  if (body.max_tokens === 4) return undefined;
  requests += 1;
  const key = questionOf(body);
  const [dialogue, turn] = key.split("/").map(Number);
  const attempt = attempts.get(key) ?? 0;
  attempts.set(key, attempt + 1);
  const plan = planOf(seed, dialogue!, turn!);
  if (plan.last?.status === "failed") {
    if (attempt >= STORM_RETRIES - 2) close.add(key);
    if (attempt >= STORM_RETRIES) setTimeout(() => close.delete(key), 100);
  }
  const now = faultAt(plan, attempt);
  served[now ?? "none"] = (served[now ?? "none"] ?? 0) + 1;
  if (dieEvery > 0 && requests > (deaths + 1) * dieEvery && close.size === 0 && !isDying) void die();
  return now;
}

async function die(): Promise<void> {
  isDying = true;
  const index = deaths % stubs.length;
  const { port } = stubs[index]!;
  await stubs[index]!.close();
  await new Promise((resolve) => setTimeout(resolve, DEAD_MS));
  stubs[index] = await startStub({ fault, port });
  deaths += 1;
  isDying = false;
}

function questionOf(body: JsonObject): string {
  const last = (body.messages as JsonObject[]).at(-1)!;
  const [, dialogue, turn] = QUESTION.exec(JSON.stringify(last.content))!;
  return `${dialogue}/${turn}`;
}

for (let k = 0; k < servers; k += 1) stubs.push(await startStub({ fault }));
console.log(JSON.stringify(stubs.map(({ url }) => url)));
createInterface({ input: process.stdin }).on("line", () => {
  console.log(JSON.stringify({ requests, deaths, served }));
});
process.stdin.on("end", () => process.exit(0));
