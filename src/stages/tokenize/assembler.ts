/** From lines of the input to assembled dialogues: the part of the work that may run on other threads. */
import { checked, type Line, parseGoodLine } from "../../artifacts/index.js";
import type { JsonObject } from "../../base/index.js";
import { dialogueSchema, generationSchema } from "../../dialogue/index.js";
import { type ModelDirectory, openModel } from "../../model/index.js";
import { createRenderer, type PromptRenderer, spoofPattern } from "../../tokens/index.js";
import { type Assembled, assembleRows } from "./assemble.js";
import type { Candidates } from "./candidates.js";
import { turnsFromDialogue } from "./from-dialogue.js";
import { turnsFromIds } from "./from-ids.js";
import type { TokenizeOptions } from "./options.js";

/** Dialogues that are rendered at once: enough to keep the tokenizer's threads busy. */
const BATCH = 16;

export interface AssembledDialogue extends Assembled, Pick<Candidates, "id" | "read" | "systemPrompt"> {}

export class Assembler {
  private readonly renderer: PromptRenderer | undefined;
  private readonly spoof: RegExp | null;

  /** @param file - names the input in errors */
  constructor(
    private readonly model: ModelDirectory,
    private readonly options: TokenizeOptions,
    private readonly file: string,
  ) {
    this.renderer = options.source === "fixed" ? createRenderer(model, templateKwargs(options)) : undefined;
    this.spoof = options.specialText === "refuse" ? spoofPattern(model.tokenizer.addedTokens) : null;
  }

  static async open(options: TokenizeOptions, file: string): Promise<Assembler> {
    return new Assembler(await openModel(options.model), options, file);
  }

  /**
   * The dialogues of these lines in order; blank lines give none.
   * @throws DraftsmithError INPUT_INVALID, ARTIFACT_INVALID with file and line
   */
  async *assemble(lines: readonly Line[]): AsyncGenerator<AssembledDialogue> {
    const { renderer, model, file } = this;
    if (renderer === undefined) {
      for (const { line, value } of this.values(lines)) {
        yield this.rowsOf(turnsFromIds(checked(value, generationSchema, file, line), model, this.options, this.spoof));
      }
      return;
    }
    let batch: Promise<Candidates>[] = [];
    for (const { line, value } of this.values(lines)) {
      batch.push(turnsFromDialogue(checked(value, dialogueSchema, file, line), renderer, model, this.spoof));
      if (batch.length < BATCH) continue;
      for (const candidates of await Promise.all(batch)) yield this.rowsOf(candidates);
      batch = [];
    }
    for (const candidates of await Promise.all(batch)) yield this.rowsOf(candidates);
  }

  private *values(lines: readonly Line[]) {
    for (const line of lines) {
      const parsed = parseGoodLine(line, this.file);
      if (parsed !== undefined) yield parsed;
    }
  }

  private rowsOf(candidates: Candidates): AssembledDialogue {
    const { id, read, systemPrompt } = candidates;
    return { id, read, systemPrompt, ...assembleRows(candidates, this.model, this.options) };
  }
}

export function templateKwargs({ thinking, chatTemplateKwargs }: TokenizeOptions): JsonObject {
  return {
    ...chatTemplateKwargs,
    ...(thinking === "default" ? {} : { enable_thinking: thinking === "on" }),
  } as JsonObject;
}
