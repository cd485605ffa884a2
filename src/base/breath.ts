/** Long work on this thread, in slices: signals, timers and other work must not wait for it. */
import { setImmediate } from "node:timers/promises";

export class Breath {
  private began = performance.now();

  /** @param sliceMs - longest time between two breaths, beside what a single item takes */
  constructor(private readonly sliceMs = 10) {}

  /** Whether it is time to `take` one. */
  get isDue(): boolean {
    return performance.now() - this.began >= this.sliceMs;
  }

  /** Lets everything run that waits. */
  async take(): Promise<void> {
    await setImmediate();
    this.began = performance.now();
  }
}
