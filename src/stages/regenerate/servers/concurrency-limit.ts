/**
 * How many conversations a server can handle: a fixed number, or one found from the throughput that more
 * conversations give. Both back off when a server reports that it is busy.
 */

/** A request under way. */
export interface Ticket {
  at: number;
  /** Requests in flight, integrated over time up to `at`. */
  area: number;
}

export interface ConcurrencyLimit {
  /** Conversations that may run on the server now. */
  readonly slots: number;
  /** Never more than this. */
  readonly most: number;
  /** @param now - milliseconds of a clock that only goes forward */
  began(now: number): Ticket;
  /** @param tokens - of a whole answer; undefined for a fault */
  ended(ticket: Ticket, tokens: number | undefined, now: number): void;
  /** The server refuses work for now: 503 or 429. */
  busy(now: number): void;
}

/** A server that says it is busy loses this share of its slots, at most once in the pause below. */
const BUSY_FACTOR = 0.7;
const BUSY_PAUSE_MS = 1000;

export class FixedLimit implements ConcurrencyLimit {
  private size: number;
  private lastCutAt = -Infinity;

  constructor(readonly most: number) {
    this.size = most;
  }

  get slots(): number {
    return Math.floor(this.size);
  }

  began(now: number): Ticket {
    return { at: now, area: 0 };
  }

  ended(_ticket: Ticket, tokens: number | undefined): void {
    // Back to full size slowly: about one slot for every `size` answers.
    if (tokens !== undefined) this.size = Math.min(this.most, this.size + 1 / this.size);
  }

  busy(now: number): void {
    if (now - this.lastCutAt < BUSY_PAUSE_MS) return;
    this.size = Math.max(1, this.size * BUSY_FACTOR);
    this.lastCutAt = now;
  }
}

const FIRST_SLOTS = 4;
/** Answers in a measurement: this many, and twice as many as there are slots. */
const LEAST_ANSWERS = 16;
const ANSWERS_PER_SLOT = 2;
/** More slots pay if throughput grows by at least this share of what it would grow by without any queueing. */
const PAYING_SHARE = 0.25;
/** Slots grow by this factor at first; after a step that did not pay, by the square root of the last factor, down to the least. */
const FIRST_FACTOR = 2;
const LEAST_FACTOR = 1.25;
/** Measurements between two trials once the limit is found. */
const HOLD = 8;
/** Cost of an answer beside its tokens, in tokens: prefill and the round trip. */
const OVERHEAD_TOKENS = 16;
/** With a smaller share of the slots in use, a measurement says nothing about their number. */
const LEAST_USE = 0.7;

interface Measurement {
  slots: number;
  /** Average number of requests in flight during an answer. */
  inFlight: number;
  /** Tokens per millisecond of the whole server. */
  rate: number;
}

/**
 * Climbs the curve of throughput over slots and stops where it flattens. Throughput is requests in flight over time per
 * token (Little's law), which does not depend on the length of answers; queueing in the server shows as time. After the first
 * climb, a step up or down is tried from time to time, so that the limit follows a server whose load changes.
 *
 * Source of the idea: TCP Vegas (Brakmo and Peterson, 1995) compares measured with expected
 * throughput, and the gradient limit of Netflix' concurrency-limits does so for servers. Both expect what an idle server
 * would give. Here each token takes longer in any larger batch, long before larger batches stop paying, so two
 * neighbouring numbers of slots are compared instead.
 */
export class AutoLimit implements ConcurrencyLimit {
  private size: number;
  private inFlight = 0;
  private area = 0;
  private areaAt = 0;
  private changedAt = -Infinity;
  private lastCutAt = -Infinity;
  private phase: "base" | "up" | "down" = "base";
  private next: "up" | "down" = "up";
  private factor = FIRST_FACTOR;
  private hold = 0;
  private base: Measurement | undefined;
  private sums = { answers: 0, tokens: 0, ms: 0, area: 0 };

  constructor(readonly most: number) {
    this.size = Math.min(FIRST_SLOTS, most);
  }

  get slots(): number {
    return this.size;
  }

  began(now: number): Ticket {
    this.advance(now);
    this.inFlight += 1;
    return { at: now, area: this.area };
  }

  ended(ticket: Ticket, tokens: number | undefined, now: number): void {
    this.advance(now);
    this.inFlight -= 1;
    // A request that began with another number of slots says nothing about this number.
    if (tokens === undefined || ticket.at < this.changedAt || now <= ticket.at) return;
    const { sums } = this;
    sums.answers += 1;
    sums.tokens += tokens + OVERHEAD_TOKENS;
    sums.ms += now - ticket.at;
    sums.area += this.area - ticket.area;
    if (sums.answers >= Math.max(LEAST_ANSWERS, ANSWERS_PER_SLOT * this.size)) this.judge(now);
  }

  busy(now: number): void {
    if (now - this.lastCutAt < BUSY_PAUSE_MS) return;
    this.lastCutAt = now;
    this.factor = LEAST_FACTOR;
    this.hold = HOLD;
    this.next = "up";
    this.base = undefined;
    this.go("base", Math.max(1, Math.floor(this.size * BUSY_FACTOR)), now);
  }

  private advance(now: number): void {
    this.area += this.inFlight * (now - this.areaAt);
    this.areaAt = now;
  }

  private judge(now: number): void {
    const { tokens, ms, area } = this.sums;
    const inFlight = area / ms;
    this.sums = { answers: 0, tokens: 0, ms: 0, area: 0 };
    if (inFlight < LEAST_USE * this.size) return;
    const measured = { slots: this.size, inFlight, rate: (inFlight * tokens) / ms };
    const { base } = this;
    if (this.phase === "up" && base !== undefined) this.climb(base, measured, now);
    else if (this.phase === "down" && base !== undefined) this.descend(base, measured, now);
    else {
      this.base = measured;
      if (this.hold > 0) this.hold -= 1;
      else this.trial(now);
    }
  }

  private climb(base: Measurement, measured: Measurement, now: number): void {
    if (pays(base, measured)) {
      this.base = measured;
      this.trial(now);
      return;
    }
    if (this.factor > LEAST_FACTOR) this.factor = Math.max(LEAST_FACTOR, Math.sqrt(this.factor));
    else {
      this.hold = HOLD;
      this.next = "down";
    }
    this.go("base", base.slots, now);
  }

  private descend(base: Measurement, measured: Measurement, now: number): void {
    if (!pays(measured, base)) {
      this.base = measured;
      this.trial(now);
      return;
    }
    this.hold = HOLD;
    this.next = "up";
    this.go("base", base.slots, now);
  }

  private trial(now: number): void {
    if (this.next === "up") {
      const slots = Math.min(this.most, Math.max(this.size + 1, Math.round(this.size * this.factor)));
      if (slots > this.size) this.go("up", slots, now);
      else this.rest("down", now);
    } else {
      const slots = Math.max(1, Math.min(this.size - 1, Math.round(this.size / LEAST_FACTOR)));
      if (slots < this.size) this.go("down", slots, now);
      else this.rest("up", now);
    }
  }

  /** Nothing further to try in this direction. */
  private rest(next: "up" | "down", now: number): void {
    this.hold = HOLD;
    this.next = next;
    this.factor = LEAST_FACTOR;
    this.go("base", this.size, now);
  }

  private go(phase: "base" | "up" | "down", slots: number, now: number): void {
    this.phase = phase;
    this.size = slots;
    this.changedAt = now;
    this.sums = { answers: 0, tokens: 0, ms: 0, area: 0 };
  }
}

function pays(low: Measurement, high: Measurement): boolean {
  const more = high.inFlight / low.inFlight - 1;
  return more > 0 && high.rate / low.rate - 1 >= PAYING_SHARE * more;
}
