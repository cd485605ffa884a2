/**
 * The dialogues of the input that are asked, in order: each line is parsed and hashed once, or, where a choice needs a
 * look at all of them first, once more for those that are chosen. What comes after the questions reads the ledger.
 */
import { isBlankLine, parseGoodLine, readLineBlocks, readSealed } from "../../../artifacts/index.js";
import { TimeSlice } from "../../../base/index.js";
import { type Dialogue, dialogueDigest } from "../../../dialogue/index.js";
import type { Chosen, NotChosen, Selection } from "./selection.js";

export class ChosenDialogues {
  /** Dialogues that were passed over, by reason; complete once all have been read. */
  readonly notChosen: Partial<Record<NotChosen, number>> = {};

  private constructor(
    private readonly file: string,
    private readonly selection: Selection,
    private readonly limit: number,
  ) {}

  /** @throws DraftsmithError INPUT_INVALID, DATA_EMPTY - see `Selection.survey` */
  static async open(
    file: string,
    selection: Selection,
    limit: number | undefined,
    signal: AbortSignal,
  ): Promise<ChosenDialogues> {
    const dialogues = new ChosenDialogues(file, selection, limit ?? Number.POSITIVE_INFINITY);
    if (selection.needsSurvey) await selection.survey(dialogues.all(), signal);
    return dialogues;
  }

  async *read(): AsyncGenerator<Chosen> {
    if (!this.selection.needsSurvey) {
      for await (const dialogue of this.all()) yield { dialogue, digest: dialogueDigest(dialogue) };
      return;
    }
    const { selection, file, notChosen } = this;
    const slice = new TimeSlice();
    let place = 0;
    let index = 0;
    for await (const lines of readLineBlocks(file)) {
      for (const line of lines) {
        if (isBlankLine(line)) continue;
        if (place >= this.limit) return;
        const reason = selection.reasonAt(place);
        place += 1;
        if (slice.isOver) await slice.yieldToEventLoop();
        if (reason !== undefined) {
          notChosen[reason] = (notChosen[reason] ?? 0) + 1;
          continue;
        }
        const { value }: { value: unknown } = parseGoodLine(line, file)!;
        yield { dialogue: value as Dialogue, digest: selection.digestAt(index) };
        index += 1;
      }
    }
  }

  /** Unchecked: the workers check the shape of what they ask, so that a continuation skips the rest quickly. */
  private async *all(): AsyncGenerator<Dialogue> {
    let count = 0;
    for await (const dialogue of readSealed<Dialogue>(this.file)) {
      if (count >= this.limit) return;
      count += 1;
      yield dialogue;
    }
  }
}
