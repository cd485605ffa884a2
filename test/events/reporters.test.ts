import { readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import {
  type DraftsmithEvent,
  EventFile,
  formatNumber,
  formatSeconds,
  JsonLines,
  makeReporter,
  PlainReporter,
  ProgressMeter,
  RunTable,
  type StepProgress,
  TerminalReporter,
  tee,
} from "../../src/events/index.js";
import { describeProgress } from "../../src/events/progress.js";
import { scratchDirectory } from "../scratch/scratch.js";

const progress = (done: number, more: Partial<StepProgress> = {}): StepProgress => ({
  type: "step-progress",
  step: "regenerate",
  done,
  total: 1000,
  unit: "dialogues",
  ...more,
});

/** A run as events, with the time of each in seconds. */
const RUN: [number, DraftsmithEvent][] = [
  [0, { type: "run-started", pipeline: "p", directory: "/runs/1", steps: ["import", "regenerate", "train", "export"] }],
  [
    0,
    {
      type: "step-cached",
      step: "import",
      stage: "import",
      counts: { read: 12, kept: 10, rejected: { "image-missing": 2 } },
    },
  ],
  [0, { type: "service", service: "target", state: "starting", note: "reference-server" }],
  [1, { type: "service", service: "target", state: "ready", note: "http://127.0.0.1:1" }],
  [1, { type: "step-started", step: "regenerate", stage: "regenerate", why: "not made yet" }],
  [2, progress(100)],
  [3, progress(110)],
  [13, progress(220, { rates: { "tokens/s": 812.4 }, failures: { timeout: 2, nan: 1 } })],
  [14, { type: "log", level: "warn", step: "regenerate", message: "a server is slow" }],
  [
    15,
    {
      type: "step-finished",
      step: "regenerate",
      stage: "regenerate",
      seconds: 74.2,
      counts: { kept: 997, rejected: { timeout: 2, nan: 1 } },
      output: "/o",
    },
  ],
  [15, { type: "step-started", step: "train", stage: "train", why: "not made yet" }],
  [16, { type: "step-metric", step: "train", at: 120, values: { loss: 1.2345, accept: 2.5 } }],
  [
    17,
    {
      type: "step-failed",
      step: "train",
      stage: "train",
      code: "TRAINER_FAILED",
      message: "out of memory\nmore",
      location: { field: "batchSize" },
    },
  ],
  [17, { type: "step-skipped", step: "export", stage: "export", why: "train failed" }],
  [
    17,
    {
      type: "run-finished",
      pipeline: "p",
      outcome: "failed",
      seconds: 17,
      summary: [
        { label: "accept length", value: "2.71" },
        { label: "rows", value: "997" },
      ],
    },
  ],
];

function play(sinkOf: (now: () => number) => { emit(event: DraftsmithEvent): void }): void {
  let now = 0;
  const sink = sinkOf(() => now);
  for (const [seconds, event] of RUN) {
    now = seconds * 1000;
    sink.emit(event);
  }
}

describe("plain lines", () => {
  it("tell the run without cursor codes and with little progress", () => {
    const pieces: string[] = [];
    play((now) => new PlainReporter((piece) => void pieces.push(piece), now));
    expect(pieces.join("")).toMatchInlineSnapshot(`
      "run p: import, regenerate, train, export
      import: cached, 10 kept, 2 rejected (image-missing 2)
      service target: starting, reference-server
      service target: ready, http://127.0.0.1:1
      regenerate: runs, not made yet
      regenerate: 220/1,000 dialogues 22 %, 10.9/s, 1 min 12 s left, tokens/s 812, 3 failed (timeout 2, nan 1)
      regenerate: warning: a server is slow
      regenerate: done in 1 min 14 s, 997 kept, 3 rejected (timeout 2, nan 1)
      train: runs, not made yet
      train: at 120: loss 1.23, accept 2.5
      train: failed, TRAINER_FAILED: out of memory more (batchSize)
      export: not run, train failed

      step        state                        time  kept  rejected
      import      cached                               10  2: image-missing 2
      regenerate  done                   1 min 14 s   997  3: timeout 2, nan 1
      train       failed TRAINER_FAILED
      export      not run: train failed
      total       failed                     17.0 s

      accept length  2.71
      rows           997

      "
    `);
  });
});

describe("a terminal", () => {
  it("redraws one line under those that stay", () => {
    const writes: string[] = [];
    play((now) => new TerminalReporter({ write: (text) => writes.push(text), columns: 200 }, { color: false, now }));
    expect(writes.slice(0, 9).map((text) => JSON.stringify(text))).toMatchInlineSnapshot(`
      [
        ""\\r\\u001b[2Krun p: import, regenerate, train, export\\n"",
        ""\\r\\u001b[2Kimport: cached, 10 kept, 2 rejected (image-missing 2)\\n"",
        ""\\r\\u001b[2Kservice target: starting, reference-server\\n"",
        ""\\r\\u001b[2Kservice target: ready, http://127.0.0.1:1\\n"",
        ""\\r\\u001b[2Kregenerate: runs, not made yet\\n"",
        ""\\r\\u001b[2Kregenerate: 100/1,000 dialogues 10 %"",
        ""\\r\\u001b[2Kregenerate: 110/1,000 dialogues 11 %, 10/s, 1 min 29 s left"",
        ""\\r\\u001b[2Kregenerate: 220/1,000 dialogues 22 %, 10.9/s, 1 min 12 s left, tokens/s 812, 3 failed (timeout 2, nan 1)"",
        ""\\r\\u001b[2Kregenerate: warning: a server is slow\\nregenerate: 220/1,000 dialogues 22 %, 10.9/s, 1 min 12 s left, tokens/s 812, 3 failed (timeout 2, nan 1)"",
      ]
    `);
  });

  it("never draws a line that would wrap", () => {
    const writes: string[] = [];
    const reporter = new TerminalReporter({ write: (text) => writes.push(text), columns: 30 }, { color: false });
    reporter.emit(progress(5, { note: "a very long note that does not fit on the terminal" }));
    expect(writes).toEqual(["\r\u001b[2Kregenerate: 5/1,000 dialogue…"]);
    reporter.close();
    expect(writes.at(-1)).toBe("\r\u001b[2K");
  });

  it("redraws at most ten times a second", () => {
    const writes: string[] = [];
    let now = 0;
    const reporter = new TerminalReporter({ write: (text) => writes.push(text), columns: 80 }, { now: () => now });
    for (now = 1000; now < 2000; now += 1) reporter.emit(progress(now));
    expect(writes.length).toBeLessThanOrEqual(10);
    expect(writes.length).toBeGreaterThanOrEqual(9);
  });

  it("is only used for a TTY", () => {
    const stream = (isTTY: boolean) => ({ isTTY, write: () => true });
    expect(makeReporter({ json: false, stream: stream(true), environment: {} })).toBeInstanceOf(TerminalReporter);
    expect(makeReporter({ json: false, stream: stream(false), environment: {} })).not.toBeInstanceOf(TerminalReporter);
    expect(makeReporter({ json: false, stream: stream(true), environment: { TERM: "dumb" } })).not.toBeInstanceOf(
      TerminalReporter,
    );
  });
});

describe("rate and time left", () => {
  it("do not count what an earlier run had finished", () => {
    let now = 0;
    const meter = new ProgressMeter(() => now);
    meter.add(progress(500));
    expect(meter.rate()).toBeUndefined();
    now = 10_000;
    meter.add(progress(550));
    expect(meter.rate()).toBe(5);
    expect(meter.remaining(progress(550))).toBe(90);
    expect(meter.remaining({ type: "step-progress", step: "s", done: 550, unit: "rows" })).toBeUndefined();
  });

  it("follow a change of speed", () => {
    let now = 0;
    const meter = new ProgressMeter(() => now);
    for (; now <= 60_000; now += 1000) meter.add(progress(now / 100));
    for (; now <= 120_000; now += 1000) meter.add(progress(600 + (now - 60_000) / 1000));
    expect(meter.rate()).toBeCloseTo(1, 1);
  });

  it("start over when the count does", () => {
    let now = 0;
    const meter = new ProgressMeter(() => now);
    meter.add(progress(900));
    now = 1000;
    meter.add(progress(5));
    expect(meter.rate()).toBeUndefined();
  });

  it("start over when something else is counted, as an evaluation's rows between a training's steps", () => {
    let now = 0;
    const meter = new ProgressMeter(() => now);
    meter.add(progress(5, { unit: "steps" }));
    now = 1000;
    meter.add(progress(200, { unit: "held-out rows" }));
    expect(meter.rate()).toBeUndefined();
    now = 2000;
    meter.add(progress(210, { unit: "held-out rows" }));
    expect(meter.rate()).toBe(10);
  });

  it("of work that counts its seconds are not told", () => {
    let now = 0;
    const meter = new ProgressMeter(() => now);
    const event: StepProgress = {
      type: "step-progress",
      step: "train",
      done: 10,
      unit: "s",
      note: "loading the target",
    };
    meter.add({ ...event, done: 5 });
    now = 5000;
    meter.add(event);
    expect(describeProgress(event, meter)).toBe("10 s, loading the target");
  });
});

describe("JSON lines", () => {
  it("carry every event but thin out progress, keeping the last", () => {
    const lines: string[] = [];
    const sink = new JsonLines((line) => lines.push(line));
    for (let done = 1; done <= 1000; done += 1) sink.emit(progress(done));
    sink.emit({ type: "log", level: "info", message: "x" });
    const events = lines.map((line) => JSON.parse(line) as StepProgress & { time: string });
    expect(events.map(({ type, done }) => [type, done])).toEqual([
      ["step-progress", 1],
      ["step-progress", 1000],
      ["log", undefined],
    ]);
    expect(events[0]?.time).toMatch(/^\d{4}-\d\d-\d\dT/);
  });

  it("are in the file as soon as they were emitted", () => {
    const directory = scratchDirectory("events");
    const file = new EventFile(join(directory, "events.jsonl"));
    const seen: DraftsmithEvent[] = [];
    const both = tee(file, { emit: (event) => void seen.push(event) });
    both.emit({ type: "log", level: "info", message: "one" });
    expect(readFileSync(join(directory, "events.jsonl"), "utf8")).toContain('"message":"one"');
    file.close();
    both.emit({ type: "log", level: "info", message: "after closing" });
    expect(seen).toHaveLength(2);
    rmSync(directory, { recursive: true });
  });
});

describe("the closing table", () => {
  it("is empty for a run without steps", () => {
    expect(new RunTable().lines()).toEqual([]);
  });
});

describe("numbers", () => {
  it("read well", () => {
    expect([4.04, 59.96, 185, 7620].map(formatSeconds)).toEqual(["4.0 s", "1 min 00 s", "3 min 05 s", "2 h 07 min"]);
    expect([278000, 0.00123456, 812.4, 2.7177].map(formatNumber)).toEqual(["278,000", "0.00123", "812", "2.72"]);
  });
});
