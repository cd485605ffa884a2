import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  describeParts,
  PlainReporter,
  type ProgressPart,
  partLines,
  type StepProgress,
  TerminalReporter,
} from "../../src/events/index.js";

const server = (name: string, state = "up", more: Partial<ProgressPart> = {}): ProgressPart => ({
  name,
  state,
  values: { "in flight": state === "up" ? 16 : 0, "tokens/s": 812.4, answers: 12345, faults: 0 },
  ...more,
});
const RACK = [
  server("10.0.0.1:30000"),
  server("10.0.0.2:30000", "down", { note: "connect ECONNREFUSED\n10.0.0.2:30000" }),
  server("gpu-node-with-a-very-long-name.cluster.example.org:30001"),
];
const MANY = Array.from({ length: 40 }, (_, k) => server(`10.0.1.${k}:30000`, k === 7 || k === 33 ? "down" : "up"));

const progress = (done: number, parts: ProgressPart[]): StepProgress => ({
  type: "step-progress",
  step: "regenerate",
  done,
  total: 1000,
  unit: "dialogues",
  parts,
});

const ESCAPE = String.fromCharCode(27);
const CODE = new RegExp(`^${ESCAPE}\\[(\\d*)([A-Z])$`);
const CODE_OR_CHARACTER = new RegExp(`${ESCAPE}\\[\\d*[A-Z]|[\\s\\S]`, "g");

/** A screen that knows the few codes that the reporter sends; what stands on it is what a person sees. */
class Screen {
  lines: string[] = [""];
  row = 0;
  column = 0;
  constructor(
    public columns: number,
    readonly rows = 24,
  ) {}

  write(text: string): boolean {
    for (const [code] of text.matchAll(CODE_OR_CHARACTER)) {
      const [, count, command] = CODE.exec(code) ?? [];
      if (command === "A") this.row = Math.max(0, this.row - Number(count));
      else if (command === "J")
        this.lines = [...this.lines.slice(0, this.row), this.lines[this.row]!.slice(0, this.column)];
      else if (command === "K") this.lines[this.row] = "";
      else if (command !== undefined) throw new Error(`unknown code ${JSON.stringify(code)}`);
      else if (code === "\r") this.column = 0;
      else if (code === "\n") this.down();
      else this.put(code);
    }
    return true;
  }

  private put(character: string): void {
    if (this.column === this.columns) this.down();
    const line = this.lines[this.row]!;
    this.lines[this.row] = line.slice(0, this.column).padEnd(this.column) + character + line.slice(this.column + 1);
    this.column += 1;
  }

  private down(): void {
    this.row += 1;
    this.column = 0;
    this.lines[this.row] ??= "";
  }
}

describe("the table of parts", () => {
  it("shows servers in columns", () => {
    expect(partLines(RACK, 100, 10)).toMatchInlineSnapshot(`
      [
        "  10.0.0.1:30000                     up    16 in flight  812 tokens/s  12,345 answers  0 faults",
        "  10.0.0.2:30000                     down   0 in flight  812 tokens/s  12,345 answers  0 faults  connect ECONNREFUSED 10.0.0.2:30000",
        "  …g-name.cluster.example.org:30001  up    16 in flight  812 tokens/s  12,345 answers  0 faults",
      ]
    `);
  });

  it("keeps figures in view in a narrow window, and the telling end of a long name", () => {
    expect(partLines(RACK, 60, 10)).toMatchInlineSnapshot(`
      [
        "  10.0.0.1:30000        up    16 in flight  812 tokens/s  12,345 answers  0 faults",
        "  10.0.0.2:30000        down   0 in flight  812 tokens/s  12,345 answers  0 faults  connect ECONNREFUSED 10.0.0.2:30000",
        "  …r.example.org:30001  up    16 in flight  812 tokens/s  12,345 answers  0 faults",
      ]
    `);
  });

  it("shows those in trouble first when not all fit, and counts the rest", () => {
    expect(partLines(MANY, 100, 5)).toMatchInlineSnapshot(`
      [
        "  10.0.1.7:30000   down   0 in flight  812 tokens/s  12,345 answers  0 faults",
        "  10.0.1.33:30000  down   0 in flight  812 tokens/s  12,345 answers  0 faults",
        "  10.0.1.0:30000   up    16 in flight  812 tokens/s  12,345 answers  0 faults",
        "  10.0.1.1:30000   up    16 in flight  812 tokens/s  12,345 answers  0 faults",
        "  and 36 more: up 36",
      ]
    `);
  });

  it("never takes more lines than it may", () => {
    fc.assert(
      fc.property(
        fc.nat(60),
        fc.integer({ min: 1, max: 30 }),
        fc.integer({ min: 20, max: 200 }),
        (count, most, width) => {
          const parts = Array.from({ length: count }, (_, k) => server(`host-${k}`, k % 3 === 0 ? "down" : "up"));
          expect(partLines(parts, width, most).length).toBeLessThanOrEqual(most);
        },
      ),
    );
  });
});

describe("parts in a line", () => {
  it("are told one by one, or summed up with those in trouble named", () => {
    expect(describeParts(RACK)).toMatchInlineSnapshot(
      `"10.0.0.1:30000 16 in flight, 812 tokens/s, 12,345 answers, 0 faults; 10.0.0.2:30000 down (connect ECONNREFUSED 10.0.0.2:30000); gpu-node-with-a-very-long-name.cluster.example.org:30001 16 in flight, 812 tokens/s, 12,345 answers, 0 faults"`,
    );
    expect(describeParts(MANY)).toMatchInlineSnapshot(
      `"40 in all: up 38, down 2; 10.0.1.7:30000 down; 10.0.1.33:30000 down"`,
    );
  });

  it("come at once when a server changes its state, else once a minute", () => {
    const lines: string[] = [];
    let now = 0;
    const reporter = new PlainReporter(
      (line) => lines.push(line),
      () => now,
    );
    for (; now < 130_000; now += 500) {
      const isAway = now >= 20_000 && now < 21_000;
      reporter.emit(progress(now / 500, [server("a"), server("b", isAway ? "down" : "up")]));
    }
    expect(lines.filter((line) => line.includes("in flight")).length).toBe(4);
    expect(lines.filter((line) => line.includes("b down")).length).toBe(1);
  });
});

describe("a terminal with a table", () => {
  it("redraws it in place and keeps what was said above", () => {
    for (const columns of [40, 80, 200]) {
      const screen = new Screen(columns);
      let now = 0;
      const reporter = new TerminalReporter(screen, { color: false, now: () => now });
      for (; now < 5000; now += 250) {
        reporter.emit(progress(now / 250, now > 3000 ? MANY : RACK));
        if (now % 1000 === 0) reporter.emit({ type: "log", level: "info", message: `said at ${now}` });
      }
      const said = screen.lines.filter((line) => line.startsWith("said"));
      expect(said).toEqual(["said at 0", "said at 1000", "said at 2000", "said at 3000", "said at 4000"]);
      expect(screen.lines.filter((line) => line.startsWith("regenerate:")).length).toBe(1);
      expect(screen.lines.length).toBeLessThanOrEqual(5 + 1 + 16);
      reporter.close();
      expect(screen.lines.filter((line) => line !== "")).toEqual(said);
    }
  });

  it("finds its lines again after a window became narrower", () => {
    const screen = new Screen(100);
    let now = 0;
    const reporter = new TerminalReporter(screen, { color: false, now: () => now });
    reporter.emit({ type: "log", level: "info", message: "before" });
    now = 1000;
    reporter.emit(progress(1, RACK));
    // What a terminal does with lines that no longer fit.
    screen.lines = screen.lines.flatMap((line) => line.match(/.{1,50}/g) ?? [""]);
    screen.columns = 50;
    screen.row = screen.lines.length - 1;
    now = 2000;
    reporter.emit(progress(2, RACK));
    expect(screen.lines.filter((line) => line.startsWith("regenerate:")).length).toBe(1);
    expect(screen.lines[0]).toBe("before");
    expect(screen.lines.length).toBe(1 + 1 + RACK.length);
  });
});
