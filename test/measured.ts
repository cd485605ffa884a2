/** Work by the clock, by the CPU, and by how long it keeps everything else waiting. */
import { closeSync, openSync, readSync } from "node:fs";
import { monitorEventLoopDelay } from "node:perf_hooks";
import { setTimeout as sleep } from "node:timers/promises";

export interface Measured {
  seconds: number;
  /** Of all threads. */
  cpuSeconds: number;
  /** Longest time in which the event loop did not turn, in ms. */
  pause: number;
  /** Longest such time that this thread itself was computing, in ms: what others take of a busy machine is not in it. */
  held: number;
}

const TICK_MS = 2;

export async function measured(work: () => Promise<unknown>): Promise<Measured> {
  const delay = monitorEventLoopDelay({ resolution: TICK_MS });
  const watch = watchThread();
  // The monitors count from their first tick on.
  delay.enable();
  await sleep(10);
  const cpu = process.cpuUsage();
  const start = performance.now();
  await work();
  const seconds = (performance.now() - start) / 1000;
  const { user, system } = process.cpuUsage(cpu);
  await sleep(10);
  delay.disable();
  return { seconds, cpuSeconds: (user + system) / 1e6, pause: delay.max / 1e6, held: watch.stop() };
}

export function pausesOf({ pause, held }: Measured): string {
  return `longest pause ${pause.toFixed(0)} ms (${held.toFixed(0)} of its own)`;
}

/** CPU time of the main thread between two ticks of the loop, as Linux accounts for it: the longest. */
function watchThread(): { stop(): number } {
  const file = openSync(`/proc/self/task/${process.pid}/schedstat`, "r");
  const buffer = Buffer.alloc(100);
  const now = (): number => Number(buffer.toString("latin1", 0, readSync(file, buffer, 0, 100, 0)).split(" ")[0]) / 1e6;
  let last = now();
  let longest = 0;
  const tick = (): void => {
    const used = now();
    longest = Math.max(longest, used - last);
    last = used;
  };
  const timer = setInterval(tick, TICK_MS);
  return {
    stop() {
      tick();
      clearInterval(timer);
      closeSync(file);
      return longest;
    },
  };
}
