/**
 * Compares the servers' prompt ids with the local rendering of the model directory. Every turn is compared before its
 * answer is used: rendering takes 0.2 to 0.7 ms of one core for prompts of 500 to 14,000 ids, a small part of what the
 * answer takes on a server.
 */
import type { JsonObject } from "../../../base/index.js";
import { commonPrefix, type Message } from "../../../dialogue/index.js";
import { type ImageSize, LARGE_PROBE_IMAGE, type Probe, SMALL_PROBE_IMAGE } from "../../../sglang/index.js";
import type { Objection } from "../servers/inspect.js";
import { type LocalModel, probeDialogue } from "./local-model.js";

export type Comparison =
  | { kind: "equal" }
  | { kind: "different"; objection: Required<Objection> }
  /** The local renderer cannot render these messages, so nothing is known of the server's ids. */
  | { kind: "not-rendered"; reason: string; message: string };

/** Ids shown before and after the first difference. */
const AROUND = 6;
const HINT =
  "serve the checkpoint of this directory, with its chat template and processor settings, or correct `model`";

export class PromptCheck {
  constructor(private readonly model: LocalModel) {}

  /** @returns what is wrong with a server that renders a probe to other ids than this model directory gives */
  async checkProbe({ promptIds, large }: Probe, withImage: boolean): Promise<Objection | undefined> {
    const small = await this.compareProbe(withImage ? SMALL_PROBE_IMAGE : undefined, promptIds);
    return small ?? (large && this.compareProbe(LARGE_PROBE_IMAGE, large.promptIds));
  }

  /** @param theirs - the ids that a server returned as the prompt of these messages */
  async compare(
    messages: readonly Message[],
    tools: JsonObject[] | undefined,
    theirs: readonly number[],
  ): Promise<Comparison> {
    const own = await this.model.prompt(messages, tools);
    if (!own.ok) return { kind: "not-rendered", reason: own.reason, message: own.message };
    const at = commonPrefix(own.ids, theirs);
    if (at === own.ids.length && at === theirs.length) return { kind: "equal" };
    const show = (ids: ArrayLike<number>): Promise<string> =>
      this.model.decode(Array.from(ids).slice(Math.max(0, at - AROUND), at + AROUND));
    const [ours, server] = await Promise.all([show(own.ids), show(theirs)]);
    const objection = {
      trouble: `differently from ${this.model.directory}: ${theirs.length} ids instead of ${own.ids.length}, the first difference at ${at}`,
      hint: HINT,
      frame: `here:   ${JSON.stringify(ours)}\nserver: ${JSON.stringify(server)}`,
    };
    return { kind: "different", objection };
  }

  private async compareProbe(image: ImageSize | undefined, ids: readonly number[]): Promise<Objection | undefined> {
    const found = await this.compare(probeDialogue(image), undefined, ids);
    if (found.kind !== "different") return undefined;
    const what = image === LARGE_PROBE_IMAGE ? `a probe with an image of ${image.width}x${image.height}` : "a probe";
    return { ...found.objection, trouble: `it renders ${what} ${found.objection.trouble}` };
  }
}
