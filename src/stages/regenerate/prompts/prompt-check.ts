/**
 * Compares the servers' prompt ids with our own rendering, while the run is young: what `validate` would find after
 * days is found after the first answers.
 */
import { DraftsmithError, type JsonObject } from "../../../base/index.js";
import { commonPrefix, type Message } from "../../../dialogue/index.js";
import type { Probe } from "../../../sglang/index.js";
import type { Objection } from "../servers/inspect.js";
import { type LocalModel, probeDialogue } from "./local-model.js";

/** Turns compared at the beginning of a run; `validate` compares all of them later. */
const COMPARED_TURNS = 200;
/** Ids shown before and after the first difference. */
const AROUND = 6;
const HINT =
  "serve the checkpoint of this directory, with its chat template and processor settings, or correct `model`";

export class PromptCheck {
  private left = COMPARED_TURNS;

  constructor(
    private readonly own: LocalModel,
    private readonly note: (level: "info" | "warn", message: string) => void,
  ) {}

  /** @returns what to hold against a server that renders another prompt than this model directory */
  async checkProbe(probe: Probe, withImage: boolean): Promise<Objection | undefined> {
    const difference = await this.compare(probeDialogue(withImage), undefined, probe.promptIds);
    return difference && { ...difference, trouble: `it renders a probe ${difference.trouble}` };
  }

  /** @throws DraftsmithError VALIDATION_FAILED - a prompt of a dialogue differs */
  async checkTurn(id: string, messages: readonly Message[], tools: JsonObject[] | undefined, ids: readonly number[]) {
    if (this.left <= 0) return;
    this.left -= 1;
    const difference = await this.compare(messages, tools, ids);
    if (difference === undefined) return;
    const { trouble, hint, frame } = difference;
    const location = { id };
    throw new DraftsmithError("VALIDATION_FAILED", `the server renders dialogue ${id} ${trouble}`, {
      frame,
      hint,
      location,
    });
  }

  private async compare(
    messages: readonly Message[],
    tools: JsonObject[] | undefined,
    theirs: readonly number[],
  ): Promise<Required<Objection> | undefined> {
    const { directory } = this.own;
    const own = await this.own.prompt(messages, tools);
    if (!own.ok) {
      this.note("warn", `prompts cannot be compared with ${directory}: ${own.message}`);
      this.left = 0;
      return undefined;
    }
    const at = commonPrefix(own.ids, theirs);
    if (at === own.ids.length && at === theirs.length) return undefined;
    const show = (ids: ArrayLike<number>): Promise<string> =>
      this.own.decode(Array.from(ids).slice(Math.max(0, at - AROUND), at + AROUND));
    const [ours, server] = await Promise.all([show(own.ids), show(theirs)]);
    return {
      trouble: `otherwise than ${directory}: ${theirs.length} ids against ${own.ids.length}, the first difference at ${at}`,
      hint: HINT,
      frame: `here:   ${JSON.stringify(ours)}\nserver: ${JSON.stringify(server)}`,
    };
  }
}
