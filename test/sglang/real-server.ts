/** Starts the real SGLang on the CPU, waits until it answers, and stops it. */
import { type ChildProcess, spawn } from "node:child_process";
import { createWriteStream } from "node:fs";
import { createServer } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import { scratchDirectory } from "../scratch/scratch.js";
import { sglangScript } from "./python.js";

export interface RealServerRequest {
  model: string;
  /** DFlash draft directory. */
  draft?: string;
  /** Layers whose outputs /generate returns. */
  hiddenStates?: number[];
  /** More arguments for SGLang. */
  more?: string[];
  /** File that receives what the server prints. */
  log?: string;
}

export interface RealServer {
  url: string;
  stop(): Promise<void>;
}

/** Importing SGLang from a cold disk on two busy cores has taken two minutes. */
const START_TIMEOUT_MS = 420_000;

export async function startRealServer(request: RealServerRequest): Promise<RealServer> {
  const { python, path } = await sglangScript("launch.py");
  const port = await freePort();
  // SGLang leaves sockets and caches in its temporary directory, so it gets one that goes with it.
  const env = { ...process.env, TMPDIR: scratchDirectory("sglang") };
  const child = spawn(python, [path, ...argumentsOf(request, port)], { env, stdio: ["ignore", "pipe", "pipe"] });
  const tail = collectTail(child, request.log);
  const url = `http://127.0.0.1:${port}`;
  try {
    await waitUntilItAnswers(child, url, tail);
  } catch (error) {
    await stop(child);
    throw error;
  }
  return { url, stop: () => stop(child) };
}

function argumentsOf(request: RealServerRequest, port: number): string[] {
  const words = ["--stop-with-parent", "--model", request.model, "--port", String(port)];
  if (request.draft !== undefined) words.push("--draft", request.draft);
  if (request.hiddenStates !== undefined) words.push("--hidden-states", ...request.hiddenStates.map(String));
  return [...words, ...(request.more ?? [])];
}

async function waitUntilItAnswers(child: ChildProcess, url: string, tail: () => string): Promise<void> {
  const end = Date.now() + START_TIMEOUT_MS;
  while (Date.now() < end) {
    if (child.exitCode !== null || child.signalCode !== null)
      throw new Error(`SGLang ended while starting:\n${tail()}`);
    const answer = await fetch(`${url}/model_info`).catch(() => undefined);
    if (answer?.ok === true) return;
    await sleep(500);
  }
  throw new Error(`SGLang did not answer within ${START_TIMEOUT_MS / 1000} s:\n${tail()}`);
}

/** SGLang takes its scheduler and detokenizer processes with it on SIGTERM; killed at once, it would leave them. */
async function stop(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const closed = new Promise<void>((resolve) => child.once("close", () => resolve()));
  child.kill("SIGTERM");
  const timer = setTimeout(() => child.kill("SIGKILL"), 30_000);
  await closed;
  clearTimeout(timer);
}

function collectTail(child: ChildProcess, log: string | undefined): () => string {
  const file = log === undefined ? undefined : createWriteStream(log);
  let tail = "";
  for (const stream of [child.stdout, child.stderr]) {
    stream?.setEncoding("utf8");
    stream?.on("data", (text: string) => {
      tail = (tail + text).slice(-4_000);
      file?.write(text);
    });
  }
  child.once("close", () => file?.end());
  return () => tail;
}

/** SGLang cannot take port 0, so a free one is found by binding it for a moment. */
async function freePort(): Promise<number> {
  const probe = createServer();
  await new Promise<void>((resolve) => probe.listen(0, "127.0.0.1", resolve));
  const address = probe.address();
  await new Promise((resolve) => probe.close(resolve));
  if (address === null || typeof address === "string") throw new Error("no free port was found");
  return address.port;
}
