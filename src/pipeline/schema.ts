/** The shape of a pipeline file, before references are resolved and stages look at their options. */
import { z } from "zod";

const NAME = /^[A-Za-z][A-Za-z0-9_-]*$/;
const name = z.string().regex(NAME, "a name starts with a letter and holds letters, digits, _ and -");
const withMap = z.record(z.string(), z.unknown()).nullish();
const scalar = z.union([z.string(), z.number(), z.boolean()]);

const figure = z.number().positive().optional();

/** Satisfies `Expected` of the stages. */
export const expectSchema = z.strictObject({
  dialogues: figure.describe("dialogues of the dataset"),
  turns: figure.describe("assistant turns of a dialogue, on average, as are all others"),
  images: figure.describe("different images of a dialogue"),
  imageBytes: figure.describe("bytes of an image as import stores it"),
  imageTokens: figure.describe("tokens of an image"),
  promptTokens: figure.describe("tokens of a turn's prompt, images included, under the declared history"),
  answerTokens: figure.describe("tokens of an answer"),
  answerTokensPerSecond: figure.describe("answer tokens a second of all servers together, as measured on a sample"),
  rows: figure.describe("rows of a dialogue: 1 where its turns share one, as many as turns where each has its own"),
  rowTokens: figure.describe("tokens of a row"),
  rowImages: figure.describe("images of a row"),
});

export const serviceSchema = z.strictObject({
  uses: z.string().describe("type of the service: reference-server or external"),
  with: withMap.describe("options of the service"),
  description: z.string().optional().describe("what it is for"),
});

export const stepSchema = z.strictObject({
  uses: z.string().describe("name of the stage"),
  description: z.string().optional().describe("what it is for"),
  in: z
    .record(z.string(), z.string())
    .nullish()
    .describe("inputs by name: another step, or the path of an artifact directory (with a slash in it)"),
  with: withMap.describe("options of the stage"),
  matrix: z
    .record(name, z.array(scalar).min(1))
    .optional()
    .describe("expands the step over every combination of these values; ${matrix.key} is the value"),
});

export const pipelineSchema = z.strictObject({
  name: name.describe("names the workspace directory: runs/<name>"),
  description: z.string().optional().describe("what the pipeline makes"),
  variables: z
    .record(name, z.unknown())
    .nullish()
    .describe("values that ${vars.name} refers to; --set vars.name=value replaces one"),
  expect: expectSchema
    .nullish()
    .describe("figures that --dry-run reckons with while the data is not there; they change nothing else"),
  services: z.record(name, serviceSchema).nullish().describe("servers that steps talk to, as ${services.name.url}"),
  steps: z.record(name, stepSchema).describe("the steps by name; ${steps.name} is the output directory of one"),
});

export type PipelineFile = z.infer<typeof pipelineSchema>;
export type ServiceEntry = z.infer<typeof serviceSchema>;
export type StepEntry = z.infer<typeof stepSchema>;
export type MatrixValue = z.infer<typeof scalar>;
