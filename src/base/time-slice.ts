/** Splits long synchronous work into slices, so that signals, timers and I/O on this thread are not blocked. */
import { setImmediate } from "node:timers/promises";

export class TimeSlice {
  private began = performance.now();

  /** @param sliceMs - longest time between two yields, plus the time that a single item takes */
  constructor(private readonly sliceMs = 10) {}

  /** Whether it is time to yield. */
  get isOver(): boolean {
    return performance.now() - this.began >= this.sliceMs;
  }

  /** Lets pending callbacks run, then begins the next slice. */
  async yieldToEventLoop(): Promise<void> {
    await setImmediate();
    this.began = performance.now();
  }
}
