/** Turns lines of the input into assembled dialogues: the part of the work that worker threads can do. */
import { checked, type Line, parseGoodLine } from "../../artifacts/index.js";
import { TimeSlice } from "../../base/index.js";
import { dialogueSchema, generationSchema, templateArguments } from "../../dialogue/index.js";
import { type ModelDirectory, openModel } from "../../model/index.js";
import { createRenderer, type PromptRenderer, spoofPattern } from "../../tokens/index.js";
import { type Assembled, assembleRows } from "./assemble.js";
import type { Candidates } from "./candidates.js";
import { turnsFromDialogue } from "./from-dialogue.js";
import { turnsFromIds } from "./from-ids.js";
import type { TokenizeOptions } from "./options.js";

/** Dialogues rendered at a time, to keep the tokenizer's threads busy. */
const BATCH = 16;

export interface AssembledDialogue extends Assembled, Pick<Candidates, "id" | "read" | "systemPrompt"> {}

export class Assembler {
  private readonly renderer: PromptRenderer | undefined;
  private readonly spoof: RegExp | null;
  private readonly slice = new TimeSlice();

  /** @param file - names the input in errors */
  constructor(
    private readonly model: ModelDirectory,
    private readonly options: TokenizeOptions,
    private readonly file: string,
  ) {
    this.renderer = options.source === "fixed" ? createRenderer(model, templateArguments(options)) : undefined;
    this.spoof = options.specialText === "refuse" ? spoofPattern(model.tokenizer.addedTokens) : null;
  }

  static async open(options: TokenizeOptions, file: string): Promise<Assembler> {
    return new Assembler(await openModel(options.model), options, file);
  }

  /**
   * The dialogues of these lines in order, without blank lines. Yields to the event loop, also between the steps of one
   * large dialogue.
   * @throws DraftsmithError INPUT_INVALID, ARTIFACT_INVALID with file and line
   */
  assemble(lines: readonly Line[]): AsyncGenerator<AssembledDialogue> {
    return this.renderer === undefined ? this.fromIds(lines) : this.fromDialogues(lines, this.renderer);
  }

  private async *fromIds(lines: readonly Line[]): AsyncGenerator<AssembledDialogue> {
    const { slice, file, model, options, spoof } = this;
    for (const line of lines) {
      const parsed = parseGoodLine(line, file);
      if (parsed === undefined) continue;
      if (slice.isOver) await slice.yieldToEventLoop();
      const generation = checked(parsed.value, generationSchema, file, parsed.line);
      if (slice.isOver) await slice.yieldToEventLoop();
      const candidates = turnsFromIds(generation, model, options, spoof);
      if (slice.isOver) await slice.yieldToEventLoop();
      yield this.rowsOf(candidates);
    }
  }

  private async *fromDialogues(lines: readonly Line[], renderer: PromptRenderer): AsyncGenerator<AssembledDialogue> {
    const { slice, file, model, options, spoof } = this;
    let batch: Promise<Candidates>[] = [];
    for (const line of lines) {
      const parsed = parseGoodLine(line, file);
      if (parsed === undefined) continue;
      if (slice.isOver) await slice.yieldToEventLoop();
      const dialogue = checked(parsed.value, dialogueSchema, file, parsed.line);
      const candidates = turnsFromDialogue(dialogue, options, { renderer, model, spoof });
      // Awaited with its batch; until then a rejection must not count as unhandled.
      candidates.catch(() => undefined);
      batch.push(candidates);
      if (batch.length < BATCH) continue;
      yield* this.rowsOfAll(batch);
      batch = [];
    }
    yield* this.rowsOfAll(batch);
  }

  private async *rowsOfAll(batch: readonly Promise<Candidates>[]): AsyncGenerator<AssembledDialogue> {
    for (const candidates of await Promise.all(batch)) {
      if (this.slice.isOver) await this.slice.yieldToEventLoop();
      yield this.rowsOf(candidates);
    }
  }

  private rowsOf(candidates: Candidates): AssembledDialogue {
    const { id, read, systemPrompt } = candidates;
    return { id, read, systemPrompt, ...assembleRows(candidates, this.model, this.options) };
  }
}
