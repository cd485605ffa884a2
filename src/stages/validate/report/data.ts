/** The verdict and all figures behind it. Without times and addresses, so that equal inputs give equal reports. */
import { z } from "zod";
import { historySchema, systemPromptFacts } from "../../../dialogue/index.js";
import { versionNotes } from "../../../model/index.js";
import { checkSchema, findingSchema } from "../findings.js";
import { checkStateSchema, checkStates } from "../states.js";
import type { Subject } from "../subject.js";

const count = z.number().int().nonnegative();
const sha256 = z.string().nullable();

export const countsSchema = z.strictObject({
  dialogues: count,
  turns: count,
  promptsCompared: count.describe("prompts with a server's ids, rendered here and compared"),
  promptsEqual: count,
  historyUnchanged: count.describe(
    "turns with equal prompts whose earlier answers are as the server returned them (historyContent)",
  ),
  historyTrimmed: count.describe(
    "turns with equal prompts whose earlier answers had their thinking taken out and trimmed",
  ),
  promptsCounted: count.describe("prompts that regenerate rendered itself: equal to ours by nature"),
  livePromptsCompared: count,
  livePromptsEqual: count,
  liveCountsCompared: count.describe("prompts of a server that sends no ids: only lengths were compared"),
  liveCountsEqual: count,
  rejected: z.record(z.string(), count).describe("rows of a file that cannot be used, by reason"),
  rows: count,
  shardRows: count,
  rowsComparedWithTurns: count,
  images: count,
  videos: count,
  imagesResampled: count,
  imagesVerified: count,
  answersWithoutStop: count,
  systemPrompts: count.describe("different ones"),
  errors: count,
  warnings: count,
});

export const reportSchema = z.strictObject({
  stage: z.literal("validate"),
  verdict: z.enum(["good", "bad"]),
  stoppedEarly: z.boolean().describe("the checks ended at the first error: counts cover only what came before it"),
  inputs: z.array(z.string()),
  model: z.record(z.string(), z.string()).describe("type and fingerprints of the model directory"),
  declared: z.strictObject({
    systemPrompt: z.strictObject({ policy: z.string(), text: z.string().nullable(), sha256 }),
    chatTemplateKwargs: z.record(z.string(), z.json()),
    history: historySchema.describe("what prompts carry of their dialogue, declared or as the data has it"),
  }),
  counts: countsSchema,
  systemPrompts: z.strictObject({
    distinct: count,
    dialoguesWithFurtherPrompts: count.optional(),
    most: z.array(z.strictObject({ text: z.string().nullable(), sha256, dialogues: count })),
  }),
  checks: z.array(checkStateSchema),
  findings: z.array(findingSchema).describe("the first of each kind, as many as `maxShown`"),
  disagreeing: z
    .partialRecord(checkSchema, z.array(z.string()))
    .describe("ids of all dialogues with an error, by check; regenerate asks them again with redoFrom"),
  notes: z.array(z.string()).describe("on the model directory"),
  rules: z.array(z.string()).describe("and versions that prompts are rendered by"),
});
export type ReportData = z.infer<typeof reportSchema>;
type Kwargs = ReportData["declared"]["chatTemplateKwargs"];

export function reportDataOf(subject: Subject, inputs: readonly string[], stoppedEarly: boolean): ReportData {
  const { findings, model, counts, kwargs, options, history } = subject;
  return {
    stage: "validate",
    verdict: findings.errors === 0 ? "good" : "bad",
    stoppedEarly,
    inputs: [...inputs],
    model: { type: model.config.modelType, ...model.fingerprints },
    declared: {
      systemPrompt: systemPromptFacts(options.systemPrompt),
      chatTemplateKwargs: kwargs as Kwargs,
      history,
    },
    counts: countsOf(subject),
    systemPrompts: counts.systemPrompts.summary(10),
    checks: checkStates(subject, stoppedEarly),
    findings: findings.shown,
    disagreeing: findings.disagreeing,
    notes: model.notes,
    rules: versionNotes(model.config.modelType, counts.videos > 0),
  };
}

function countsOf({ counts, findings }: Subject): z.infer<typeof countsSchema> {
  return {
    dialogues: counts.dialogues,
    turns: counts.turns,
    promptsCompared: counts.promptsCompared,
    promptsEqual: counts.promptsEqual,
    historyUnchanged: counts.historyUnchanged,
    historyTrimmed: counts.historyTrimmed,
    promptsCounted: counts.promptsCounted,
    livePromptsCompared: counts.livePromptsCompared,
    livePromptsEqual: counts.livePromptsEqual,
    liveCountsCompared: counts.liveCountsCompared,
    liveCountsEqual: counts.liveCountsEqual,
    rejected: counts.rejected,
    rows: counts.rows,
    shardRows: counts.shardRows,
    rowsComparedWithTurns: counts.rowsComparedWithTurns,
    images: counts.images,
    videos: counts.videos,
    imagesResampled: counts.imagesResampled,
    imagesVerified: counts.imagesVerified,
    answersWithoutStop: counts.answersWithoutStop,
    systemPrompts: counts.systemPrompts.distinct,
    errors: findings.errors,
    warnings: Object.values(findings.counts.warning).reduce((sum, number) => sum + number, 0),
  };
}
