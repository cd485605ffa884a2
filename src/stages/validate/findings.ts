/** Collects what checks find, and stops them at the first error unless told to go on. */
import { z } from "zod";
import type { ReasonCounts } from "../../events/index.js";
import { tokenWindowSchema } from "../../report/index.js";

/** Every way in which data, server, model and draft can disagree, each with the condition that must hold. */
export const CHECKS = {
  input: "every row can be read, with its images",
  "system-prompt": "every dialogue carries the declared system prompt",
  history: "data and declaration agree on what prompts carry of the dialogue before them",
  "template-arguments": "data and declaration agree on the template arguments (thinking)",
  fingerprint: "template, tokenizer and processor are those that the data was made with",
  prompt: "the prompt rendered here equals the prompt that the server saw, id for id",
  rendering: "the dialogue can be rendered: template, image sizes, placeholders",
  "special-text": "no text spells out a special token",
  ids: "ids are in the vocabulary; neither the mask token nor stray placeholders occur",
  stop: "answers end with a stop token",
  images: "runs of image pads fit the images, and every stage has the same images",
  lineage: "generations, rows and shards were made from the given data",
  mask: "the loss mask covers exactly the answers",
  "row-ids": "rows repeat the server's ids exactly",
  split: "no dialogue and no image is both trained on and held out",
  server: "the live server serves this model, with settings that leave prompts unchanged",
  precision: "the server computes with the numbers that training loads: weights, number format, keys and values",
  "hidden-states": "the hidden states that the server computes are those that training captures",
  draft: "the draft's config fits the target",
} as const;
export type Check = keyof typeof CHECKS;

export const checkSchema = z.enum(Object.keys(CHECKS) as [Check, ...Check[]]);

const placeSchema = z.strictObject({
  id: z.string().optional().describe("dialogue"),
  turn: z.number().int().optional(),
  index: z.number().int().optional().describe("of the first id in question"),
  file: z.string().optional(),
  field: z.string().optional(),
});

export const findingSchema = z.strictObject({
  check: checkSchema,
  severity: z.enum(["error", "warning"]).describe("an error fails the verdict, a warning does not"),
  message: z.string(),
  place: placeSchema,
  frame: z.string().optional().describe("lines that show it"),
  window: tokenWindowSchema.optional().describe("the tokens that differ"),
});
export type Finding = z.infer<typeof findingSchema>;

/** Thrown by `add` to end the checks at the first error. */
export class StopChecking extends Error {
  override readonly name = "StopChecking";
}

export class Findings {
  readonly shown: Finding[] = [];
  readonly counts: { error: ReasonCounts; warning: ReasonCounts } = { error: {}, warning: {} };
  /** How many items each check has looked at: a check that saw none has not passed. */
  readonly looked: ReasonCounts = {};

  /** Ids of all dialogues with an error, by check. */
  private readonly ids = new Map<Check, Set<string>>();

  constructor(
    private readonly keepGoing: boolean,
    private readonly maxShown: number,
  ) {}

  look(check: Check, things = 1): void {
    this.looked[check] = (this.looked[check] ?? 0) + things;
  }

  add(finding: Finding): void {
    const counts = this.counts[finding.severity];
    const count = (counts[finding.check] ?? 0) + 1;
    counts[finding.check] = count;
    if (count <= this.maxShown) this.shown.push(finding);
    const { id } = finding.place;
    if (finding.severity === "error" && id !== undefined) {
      const ids = this.ids.get(finding.check) ?? new Set<string>();
      this.ids.set(finding.check, ids.add(id));
    }
    if (finding.severity === "error" && !this.keepGoing) throw new StopChecking(finding.message);
  }

  get errors(): number {
    return Object.values(this.counts.error).reduce((sum, count) => sum + count, 0);
  }

  get disagreeing(): Partial<Record<Check, string[]>> {
    return Object.fromEntries([...this.ids].map(([check, ids]) => [check, [...ids]]));
  }

  get firstError(): Finding | undefined {
    return this.shown.find((finding) => finding.severity === "error");
  }
}
