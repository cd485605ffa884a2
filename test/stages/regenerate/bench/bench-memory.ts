/** Memory of this process over a run, by how much of the run is done: flat is what does not grow with it. */

const EVERY_MS = 200;
const PARTS = 10;

interface Sample {
  done: number;
  rss: number;
  heapUsed: number;
  outside: number;
}

/** The highest values of a part of the run, in MiB. */
interface Peak {
  rss: number;
  /** Of JavaScript's heap, and of buffers outside it. */
  heap: number;
  outside: number;
}

export class MemoryWatch {
  private readonly samples: Sample[] = [];
  private readonly timer = setInterval(() => this.sample(), EVERY_MS);
  private done = 0;

  /** @param total - dialogues of the run */
  constructor(private readonly total: number) {
    this.sample();
  }

  progress(done: number): void {
    this.done = done;
  }

  /** Ends the watch. */
  report(): object {
    clearInterval(this.timer);
    this.sample();
    const parts = Array.from({ length: PARTS }, (_, part) => {
      const [from, to] = [(part * this.total) / PARTS, ((part + 1) * this.total) / PARTS];
      return peakOf(this.samples.filter(({ done }) => done >= from && done < to));
    });
    const ordering = peakOf(this.samples.filter(({ done }) => done >= this.total));
    const [middle, last] = [parts[PARTS / 2], parts[PARTS - 1]];
    return {
      startMiB: mebi(this.samples[0]!.rss),
      peakMiB: peakOf(this.samples)!.rss,
      /** From the sixth tenth to the last one; flat is below 0.1. */
      riseOfLastHalf: middle && last && Number((last.rss / middle.rss - 1).toFixed(3)),
      /** For each tenth of the dialogues: resident, heap and outside MiB at most. */
      peaksByTenth: parts.map(told),
      peaksWhilePuttingInOrder: told(ordering),
    };
  }

  private sample(): void {
    const { rss, heapUsed, external } = process.memoryUsage();
    this.samples.push({ done: this.done, rss, heapUsed, outside: external });
  }
}

function peakOf(samples: readonly Sample[]): Peak | undefined {
  if (samples.length === 0) return undefined;
  const most = (name: "rss" | "heapUsed" | "outside"): number => mebi(Math.max(...samples.map((each) => each[name])));
  return { rss: most("rss"), heap: most("heapUsed"), outside: most("outside") };
}

function told(peak: Peak | undefined): string {
  return peak === undefined ? "-" : `${peak.rss} ${peak.heap} ${peak.outside}`;
}

function mebi(bytes: number): number {
  return Math.round(bytes / 2 ** 20);
}
