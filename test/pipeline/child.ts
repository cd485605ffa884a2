/** Starts child-run.ts and waits for what it says. */
import { spawn } from "node:child_process";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";

const SCRIPT = fileURLToPath(new URL("./child-run.ts", import.meta.url));

export interface Child {
  lines: string[];
  /** Resolves with the line; rejects when the child ends without it. */
  says(text: string): Promise<string>;
  signal(name: NodeJS.Signals): void;
  exit: Promise<{ code: number | null; signal: NodeJS.Signals | null }>;
}

export function startChild(directory: string, ...set: string[]): Child {
  const child = spawn(process.execPath, ["--import", "tsx", SCRIPT, directory, ...set], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  const lines: string[] = [];
  const waiting = new Set<{ text: string; resolve: (line: string) => void; reject: (error: Error) => void }>();
  createInterface({ input: child.stdout }).on("line", (line) => {
    lines.push(line);
    for (const waiter of waiting) if (line.includes(waiter.text)) waiter.resolve(line);
  });
  const exit = new Promise<{ code: number | null; signal: NodeJS.Signals | null }>((resolve) => {
    child.once("close", (code, signal) => {
      for (const { text, reject } of waiting) reject(new Error(`ended without "${text}":\n${lines.join("\n")}`));
      resolve({ code, signal });
    });
  });
  return {
    lines,
    says: (text) =>
      new Promise((resolve, reject) => {
        const known = lines.find((line) => line.includes(text));
        if (known === undefined) waiting.add({ text, resolve, reject });
        else resolve(known);
      }),
    signal: (name) => void child.kill(name),
    exit,
  };
}
