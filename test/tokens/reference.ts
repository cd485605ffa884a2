/** transformers itself, in a child process, for tests that compare with it. */
import { type ChildProcessWithoutNullStreams, spawn } from "node:child_process";
import { delimiter, join } from "node:path";
import { createInterface } from "node:readline";
import { stringifyJson } from "../../src/base/index.js";
import { existingPython, packageRoot, trainerEnvironment } from "../../src/trainer-process/index.js";

export const TINY_GUI = join(packageRoot(), "fixtures", "tiny-gui");

/** For `python -m parity`: the trainer's environment, with the test tools of test/trainer on the path. */
export function parityEnvironment(): NodeJS.ProcessEnv {
  const environment = trainerEnvironment();
  const tools = join(packageRoot(), "test", "trainer");
  return {
    ...environment,
    PYTHONPATH: `${environment.PYTHONPATH}${delimiter}${tools}`,
    OMP_NUM_THREADS: "1",
  };
}

/** Why there is no reference here, or null with the interpreter that has it. */
export async function findReference(): Promise<{ executable: string } | { missing: string }> {
  try {
    const choice = await existingPython();
    return choice ?? { missing: "no Python with transformers: set DRAFTSMITH_PYTHON, or run npm test once" };
  } catch (error) {
    return { missing: error instanceof Error ? error.message : String(error) };
  }
}

export interface ChatAnswer {
  text: string;
  ids: number[];
  types: number[];
  grid: [number, number, number][];
  videoGrid: [number, number, number][];
  /** sha256 of get_rope_index, and its delta; only where asked for. */
  positions?: string;
  delta?: number;
}

/** Questions are answered in order, one line each. The process starts with the first of them. */
export class Reference {
  private child: ChildProcessWithoutNullStreams | undefined;
  private readonly waiting: { resolve: (line: string) => void; reject: (error: Error) => void }[] = [];
  private complaints = "";

  constructor(
    readonly executable: string,
    private readonly model = TINY_GUI,
  ) {}

  /** @param question - an object, or the JSON text of one */
  async ask<T>(question: Record<string, unknown> | string): Promise<T | { error: string }> {
    this.child ??= this.start();
    const { stdin } = this.child;
    const line = await new Promise<string>((resolve, reject) => {
      this.waiting.push({ resolve, reject });
      stdin.write(`${typeof question === "string" ? question : stringifyJson(question)}\n`);
    });
    return JSON.parse(line) as T | { error: string };
  }

  close(): void {
    this.child?.stdin.end();
    this.child?.kill();
  }

  private start(): ChildProcessWithoutNullStreams {
    const child = spawn(this.executable, ["-m", "parity", this.model], {
      env: { ...parityEnvironment(), OMP_WAIT_POLICY: "PASSIVE" },
    });
    createInterface({ input: child.stdout }).on("line", (line) => this.waiting.shift()?.resolve(line));
    child.stderr.on("data", (data: Buffer) => {
      this.complaints = (this.complaints + data.toString()).slice(-4000);
    });
    child.on("exit", (code) => {
      for (const { reject } of this.waiting.splice(0))
        reject(new Error(`the reference ended with ${code}: ${this.complaints}`));
    });
    return child;
  }
}
