/** The limit that finds itself, on servers in virtual time whose best number is known. */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { AutoLimit, FixedLimit, type Ticket } from "../../../../src/stages/regenerate/servers/concurrency-limit.js";

interface Simulation {
  /** Tokens a millisecond of each of n requests in flight. */
  speed(inFlight: number, now: number): number;
  /** Requests beyond this many are refused. */
  queue?: number;
  most?: number;
  seed: number;
  answers: number;
}

/** @returns slots over the second half of the answers: the least, the middle one and the most; and all refusals */
function simulate({ speed, queue = Infinity, most = 512, seed, answers }: Simulation) {
  let state = seed >>> 0;
  const random = (): number => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 32;
  };
  const limit = new AutoLimit(most);
  const jobs: { left: number; tokens: number; ticket: Ticket }[] = [];
  const slots: number[] = [];
  let [now, done, refused] = [0, 0, 0];
  while (done < answers) {
    while (jobs.length < limit.slots) {
      const ticket = limit.began(now);
      if (jobs.length >= queue) {
        refused += 1;
        limit.ended(ticket, undefined, now);
        limit.busy(now);
        break;
      }
      // Lengths differ much, and prompts cost what no token count shows.
      const tokens = Math.ceil(10 - 60 * Math.log(1 - random()));
      jobs.push({ left: tokens + 5 + 20 * random(), tokens, ticket });
    }
    let next = 0;
    for (let k = 1; k < jobs.length; k += 1) if (jobs[k]!.left < jobs[next]!.left) next = k;
    const work = jobs[next]!.left;
    now += work / speed(jobs.length, now);
    for (const job of jobs) job.left -= work;
    const [job] = jobs.splice(next, 1);
    limit.ended(job!.ticket, job!.tokens, now);
    done += 1;
    if (done > answers / 2) slots.push(limit.slots);
  }
  slots.sort((a, b) => a - b);
  return { least: slots[0]!, middle: slots[slots.length >> 1]!, most: slots.at(-1)!, refused };
}

/** Requests beyond the knee share what it gives. */
const kneeAt = (knee: number) => (inFlight: number) => 0.05 * Math.min(1, knee / inFlight);

describe("the limit that finds itself", () => {
  it("ends near the number of requests from which on more give nothing", () => {
    fc.assert(
      fc.property(fc.integer({ min: 2, max: 180 }), fc.nat(), (knee, seed) => {
        const { least, middle, most } = simulate({ speed: kneeAt(knee), seed, answers: 8000 });
        expect(middle).toBeGreaterThanOrEqual(Math.floor(0.8 * knee));
        expect(middle).toBeLessThanOrEqual(Math.ceil(1.7 * knee));
        expect(least).toBeGreaterThanOrEqual(1);
        expect(most).toBeLessThanOrEqual(Math.max(8, Math.ceil(4 * knee)));
      }),
      { numRuns: 40 },
    );
  });

  it("goes on while every further request still gives a good part of a whole one", () => {
    for (const half of [4, 16, 64]) {
      // Throughput is n / (1 + n / half): it never stops growing, but at 4 * half four fifths of it are reached.
      const { middle } = simulate({ speed: (n) => 0.05 / (1 + n / half), seed: half, answers: 20_000 });
      expect(middle).toBeGreaterThan(1.5 * half);
      expect(middle).toBeLessThan(6 * half);
    }
  });

  it("keeps to its bound where there is no knee, and to one request where only one is served", () => {
    expect(simulate({ speed: () => 0.05, seed: 1, most: 100, answers: 20_000 }).most).toBe(100);
    expect(simulate({ speed: kneeAt(1), seed: 1, answers: 5000 }).middle).toBeLessThanOrEqual(2);
    expect(simulate({ speed: () => 0.05, seed: 1, most: 1, answers: 200 })).toMatchObject({ least: 1, most: 1 });
  });

  it("stays below a queue that refuses, and is rarely refused", () => {
    const { middle, refused } = simulate({ speed: () => 0.05, queue: 40, seed: 7, answers: 20_000 });
    expect(middle).toBeGreaterThan(20);
    expect(middle).toBeLessThanOrEqual(40);
    expect(refused).toBeLessThan(200);
  });

  it("follows a server that becomes slower, and one that becomes faster", () => {
    const changing = (before: number, after: number) => (n: number, now: number) =>
      kneeAt(now < 3e5 ? before : after)(n);
    expect(simulate({ speed: changing(64, 12), seed: 9, answers: 40_000 }).middle).toBeLessThan(24);
    expect(simulate({ speed: changing(12, 64), seed: 9, answers: 40_000 }).middle).toBeGreaterThan(45);
  });

  it("recovers after a stall", () => {
    for (const seed of [3, 4, 5]) {
      const stalled = (n: number, now: number): number => kneeAt(40)(n) * (now > 1e5 && now < 2e5 ? 1e-3 : 1);
      const { least, middle, most } = simulate({ speed: stalled, seed, answers: 20_000 });
      expect(least).toBeGreaterThanOrEqual(16);
      expect(middle).toBeGreaterThanOrEqual(32);
      expect(middle).toBeLessThanOrEqual(68);
      expect(most).toBeLessThanOrEqual(160);
    }
  });

  it("does not grow on slots that nobody takes", () => {
    const limit = new AutoLimit(256);
    for (let k = 0; k < 1000; k += 1) limit.ended(limit.began(k * 10), 20, k * 10 + 9);
    expect(limit.slots).toBe(4);
  });
});

describe("a fixed limit", () => {
  it("gives way to a busy server once a second and comes back slowly", () => {
    const limit = new FixedLimit(10);
    limit.busy(0);
    limit.busy(1);
    expect(limit.slots).toBe(7);
    for (let k = 0; k < 40; k += 1) limit.ended(limit.began(k), 5);
    expect(limit.slots).toBe(10);
    for (let k = 0; k < 100; k += 1) limit.busy(k * 1000);
    expect(limit.slots).toBe(1);
  });
});
