/** Artifacts for tests of tokenize and validate: made by the same functions that the stages hold them against, then spoilt. */
import { mkdir, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { type ArtifactKind, sealDirectory } from "../../../src/artifacts/index.js";
import { type JsonObject, parseKeepingLiterals, sha256 } from "../../../src/base/index.js";
import {
  commonPrefix,
  type Dialogue,
  dialogueDigest,
  foldIds,
  type Generation,
  imagesOf,
  type Message,
  type SystemPromptOption,
} from "../../../src/dialogue/index.js";
import type { DraftsmithEvent } from "../../../src/events/index.js";
import { type ModelDirectory, openModel } from "../../../src/model/index.js";
import type { InputArtifact, Stage, StageContext } from "../../../src/stages/stage.js";
import { createRenderer, type PromptRenderer } from "../../../src/tokens/index.js";
import { scratchDirectory } from "../../scratch/scratch.js";
import { TINY_GUI } from "../../tokens/reference.js";

export const SYSTEM = "You operate a computer. Answer with one sentence and one action.";

export const text = (words: string): Message["content"][number] => ({ type: "text", text: words });
export const picture = (number: number, width = 320, height = 192): Message["content"][number] => ({
  type: "image",
  hash: sha256(String(number)),
  width,
  height,
});

/** The option `systemPrompt` of any stage; null is no system prompt. */
export function declare(text: string | null): SystemPromptOption {
  return { policy: "set", text: text ?? "" };
}

/** A dialogue of so many turns, each with a screenshot of its own. */
export function dialogue(id: string, turns: number, system: string | null = SYSTEM): Dialogue {
  const messages: Message[] = system === null ? [] : [{ role: "system", content: [text(system)] }];
  const number = Number(id.replace(/\D/g, "")) || 0;
  for (let turn = 0; turn < turns; turn += 1) {
    messages.push({
      role: "user",
      content: [picture(number * 10 + turn), text(`Step ${turn}: click the red button ${id}.`)],
    });
    messages.push({
      role: "assistant",
      content: [text(`The red button is at the top. {"action": "click", "at": [${number}, ${turn}]}`)],
    });
  }
  return { id, source: { file: "x.jsonl", line: 1 }, messages };
}

export class Workbench {
  private count = 0;
  private constructor(
    readonly root: string,
    readonly model: ModelDirectory,
    readonly renderer: PromptRenderer,
  ) {}

  static async open(): Promise<Workbench> {
    const model = await openModel(TINY_GUI);
    return new Workbench(scratchDirectory("bench"), model, createRenderer(model));
  }

  close(): Promise<void> {
    return rm(this.root, { recursive: true, force: true });
  }

  /** What a server with this model would have sent back had it answered with the dialogue's own words. */
  async generation(dialogue: Dialogue, renderer = this.renderer): Promise<Generation> {
    const { id, messages } = dialogue;
    const turns: Generation["turns"] = [];
    let last = new Int32Array(0);
    for (const [index, message] of messages.entries()) {
      if (message.role !== "assistant") continue;
      const prompt = await renderer.prompt({ messages: messages.slice(0, index), generationPrompt: true });
      if (!prompt.ok) throw new Error(prompt.message);
      const words = message.content.map((part) => (part.type === "text" ? part.text : "")).join("");
      const response = Int32Array.from([...(await renderer.tokenizer.encode(words)), this.model.specialIds.imEnd]);
      const keep = commonPrefix(last, prompt.ids);
      turns.push({
        message: index,
        prompt: { keep, ids: foldIds(prompt.ids.subarray(keep)) },
        response: foldIds(response),
        text: words,
        finish: { type: "stop", matched: this.model.specialIds.imEnd },
        imageHashes: imagesOf(messages.slice(0, index)).map((image) => image.hash),
      });
      last = Int32Array.from([...prompt.ids, ...response]);
    }
    return { id, dialogueDigest: dialogueDigest(dialogue), status: "done", messages, turns };
  }

  async artifact(kind: ArtifactKind, rows: unknown[], facts: JsonObject = {}): Promise<InputArtifact> {
    const directory = await this.directory(kind);
    await writeFile(join(directory, `${kind}.jsonl`), rows.map((row) => `${JSON.stringify(row)}\n`).join(""));
    return this.seal(directory, kind, facts, { kept: rows.length });
  }

  /** An artifact whose files `fill` writes. */
  async sealed(
    kind: ArtifactKind,
    facts: JsonObject,
    fill: (directory: string) => Promise<void>,
  ): Promise<InputArtifact> {
    const directory = await this.directory(kind);
    await fill(directory);
    return this.seal(directory, kind, facts, {});
  }

  /** Runs a stage and seals what it wrote. */
  async run<O, I extends string>(
    stage: Stage<O, I>,
    options: unknown,
    inputs: Partial<Record<I, InputArtifact>>,
    change: Partial<StageContext> = {},
  ): Promise<InputArtifact & { events: DraftsmithEvent[]; resumeDir: string }> {
    const workDir = await this.directory("work");
    const resumeDir = await this.directory("resume");
    const events: DraftsmithEvent[] = [];
    this.lastResumeDir = resumeDir;
    const context: StageContext = {
      step: stage.name,
      events: { emit: (event) => void events.push(event) },
      signal: new AbortController().signal,
      workDir,
      resumeDir,
      limit: undefined,
      ...change,
    };
    const parsed = parseKeepingLiterals(stage.options, options);
    if (!parsed.success) throw parsed.error;
    const draft = await stage.run(parsed.data, inputs as Record<I, InputArtifact | undefined>, context);
    return { ...(await this.seal(workDir, stage.output, draft.facts, draft.counts)), events, resumeDir };
  }

  /** Where the last run put what survives a failure. */
  lastResumeDir = "";

  private async seal(directory: string, kind: ArtifactKind, facts: JsonObject, counts: object): Promise<InputArtifact> {
    const manifest = await sealDirectory({
      directory,
      kind,
      producer: { stage: "test", version: "0", options: {} },
      inputs: {},
      draft: { counts: counts as JsonObject, facts },
    });
    return { path: directory, manifest };
  }

  private async directory(name: string): Promise<string> {
    this.count += 1;
    const path = join(this.root, `${name}-${this.count}`);
    await mkdir(path);
    return path;
  }
}
