/** A scratch directory with a pipeline file, and runs of it with the small stages. */
import { mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { formatError, isDraftsmithError } from "../../src/base/index.js";
import type { DraftsmithEvent } from "../../src/events/index.js";
import {
  dryRun,
  planPipeline,
  type RunOptions,
  type RunResult,
  runPipeline,
  whyStep,
} from "../../src/pipeline/index.js";
import { scratchDirectory } from "../scratch/scratch.js";
import { smallServices, smallStages } from "./small-stages.js";

export interface Recorded extends RunResult {
  events: DraftsmithEvent[];
  /** Names of the steps that really ran, and of those that were cached. */
  ran: string[];
  cached: string[];
}

export class Bench {
  readonly root = scratchDirectory("pipeline");

  constructor(yaml?: string) {
    if (yaml !== undefined) this.write("p.yaml", yaml);
  }

  path(...parts: string[]): string {
    return join(this.root, ...parts);
  }

  write(name: string, text: string): void {
    mkdirSync(dirname(this.path(name)), { recursive: true });
    writeFileSync(this.path(name), text);
  }

  read(name: string): string {
    return readFileSync(this.path(name), "utf8");
  }

  get options() {
    return { file: "p.yaml", cwd: this.root, workspace: "ws", stages: smallStages, services: smallServices };
  }

  async run(more: Partial<RunOptions> = {}): Promise<Recorded> {
    const events: DraftsmithEvent[] = [];
    const sink = { emit: (event: DraftsmithEvent) => void events.push(event) };
    const result = await runPipeline({ ...this.options, events: sink, ...more });
    const of = (state: string): string[] => result.steps.filter((step) => step.state === state).map(({ name }) => name);
    return { ...result, events, ran: of("done"), cached: of("cached") };
  }

  plan(more: Partial<RunOptions> = {}) {
    return planPipeline({ ...this.options, ...more });
  }

  dry(more: Partial<RunOptions> = {}) {
    return dryRun({ ...this.options, ...more });
  }

  why(step: string, more: Partial<RunOptions> = {}) {
    return whyStep({ ...this.options, ...more, step });
  }

  /** The error of a plan as it is printed. */
  async complaint(yaml: string, more: Partial<RunOptions> = {}): Promise<string> {
    this.write("p.yaml", yaml);
    try {
      await this.plan(more);
    } catch (error) {
      if (isDraftsmithError(error)) return formatError(error).replaceAll(this.root, "ROOT");
      throw error;
    }
    throw new Error("the file was accepted");
  }

  remove(): void {
    rmSync(this.root, { recursive: true, force: true });
  }
}
