/** Options of the train stage. The trainer reads them from its job file under the same names. */
import { z } from "zod";
import {
  attentionSchema,
  deviceSchema,
  dtypeSchema,
  packTokensSchema,
  slowRecurrenceSchema,
  threadsSchema,
} from "../../trainer-process/index.js";

const positiveInt = z.number().int().positive();

/** null: what the file in `config` says, or without one the default that the description names. */
export const draftOptionsSchema = z.strictObject({
  config: z
    .string()
    .nullable()
    .default(null)
    .describe(
      "JSON file with the draft's shape, as `draftsmith draft-config` writes it; options beside it win over the file",
    ),
  layers: positiveInt.nullable().default(null).describe("decoder layers of the draft; null: 5"),
  blockSize: z
    .number()
    .int()
    .min(2)
    .max(64)
    .nullable()
    .default(null)
    .describe("tokens of a block, the anchor included; null: 8"),
  targetLayerIds: z
    .array(z.number().int().nonnegative())
    .min(1)
    .nullable()
    .default(null)
    .describe("target layers whose outputs the draft reads, rising, 0-based; null: the layer rule"),
  targetLayerCount: positiveInt
    .nullable()
    .default(null)
    .describe("how many layers the layer rule spreads, when none are named; null: 5"),
  intermediateSize: positiveInt.nullable().default(null).describe("MLP width; null: 3 x hidden size"),
  heads: positiveInt.nullable().default(null).describe("attention heads; null: the target's"),
  kvHeads: positiveInt.nullable().default(null).describe("key-value heads; null: the target's"),
  headDim: z.number().int().min(2).nullable().default(null).describe("width of a head; null: the target's"),
  maskTokenId: z
    .number()
    .int()
    .nonnegative()
    .nullable()
    .default(null)
    .describe("id that stands for an unknown token in a block; null: the known one of the target's vocabulary"),
  rotary: z
    .enum(["plain", "partial", "mrope"])
    .nullable()
    .default(null)
    .describe("position scheme; engines serve plain, the others are refused at export unless allowed; null: plain"),
  slidingLayers: z
    .array(z.number().int().nonnegative())
    .nullable()
    .default(null)
    .describe("draft layers with sliding-window attention (causal inside the block); null: none"),
  slidingWindow: positiveInt.nullable().default(null).describe("tokens of the window; needed with slidingLayers"),
  head: z.enum(["plain"]).default("plain").describe("what stands between the draft's states and the target's lm_head"),
});
export type DraftOptions = z.infer<typeof draftOptionsSchema>;

const trainOptions = z.strictObject({
  model: z.string().describe("model directory of the target"),
  draft: draftOptionsSchema.prefault({}).describe("shape of the draft"),
  epochs: z.number().positive().default(5).describe("passes over the training rows; fractions are allowed"),
  maxSteps: positiveInt.nullable().default(null).describe("end after so many optimizer steps"),
  maxMinutes: z.number().positive().nullable().default(null).describe("end after so many minutes; not reproducible"),
  batchSize: positiveInt.default(2).describe("rows per process and step"),
  accumulate: positiveInt
    .default(1)
    .describe("batches of each process whose gradients make one step: batchSize x accumulate x processes rows a step"),
  maxLength: z.number().int().min(2).default(4096).describe("longer rows are left out and counted"),
  maxTrainRows: positiveInt.nullable().default(null).describe("use only the first rows of the training split"),
  anchors: positiveInt.default(512).describe("blocks drawn per row and step"),
  gamma: z
    .number()
    .positive()
    .nullable()
    .default(null)
    .describe("position decay exp(-(k-1)/gamma); null: 4 for blocks up to 8, 5 up to 10, 7 above"),
  dpaceAlpha: z
    .number()
    .min(0)
    .max(1)
    .nullable()
    .default(null)
    .describe("D-PACE weights instead of the decay; 0.5 is usual"),
  softLabels: z
    .number()
    .positive()
    .max(1)
    .nullable()
    .default(null)
    .describe(
      "share of the loss that the divergence from the target's own distributions takes (KL), the rest being cross-entropy; needs all layers of the target and its logits; null: none",
    ),
  softTemperature: z.number().positive().default(1).describe("temperature of both distributions in the divergence"),
  lr: z.number().positive().default(6e-4).describe("peak learning rate"),
  schedule: z
    .enum(["cosine", "constant", "linear"])
    .default("cosine")
    .describe("learning rate after the warm-up: half a cosine, a line, or lr to the end"),
  minLrRatio: z.number().min(0).max(1).default(0).describe("cosine and linear end at lr x this"),
  warmup: z.number().min(0).max(1).default(0.04).describe("share of all steps with rising learning rate"),
  clip: z.number().positive().nullable().default(1).describe("largest gradient norm; null: no clipping"),
  weightDecay: z.number().nonnegative().default(0.01).describe("weight decay of matrices"),
  beta2: z.number().min(0).lt(1).default(0.95).describe("second moment's decay of AdamW"),
  maxSkipped: z
    .number()
    .int()
    .nonnegative()
    .default(100)
    .describe("steps with NaN or infinity that are skipped and counted; one more ends the run"),
  maxSkippedInARow: z
    .number()
    .int()
    .nonnegative()
    .default(5)
    .describe("the same for steps in a row; 0: the first such step ends the run"),
  seed: z.number().int().nonnegative().default(0).describe("seed of weights, order and anchors"),
  dtype: dtypeSchema,
  device: deviceSchema,
  attention: attentionSchema,
  threads: threadsSchema,
  evalEvery: positiveInt.nullable().default(null).describe("steps between evaluations; null: once an epoch"),
  evalRows: positiveInt.nullable().default(256).describe("held-out rows of these evaluations; null: all"),
  checkpointEvery: positiveInt
    .default(200)
    .describe("steps between saved states that a killed run continues from; every evaluation saves one too"),
  keepLast: positiveInt.default(1).describe("latest drafts that are kept beside the best"),
  keepEvery: positiveInt
    .nullable()
    .default(null)
    .describe("keep the draft of every so many steps for good; null: none"),
  onConflict: z
    .enum(["refuse", "restart"])
    .default("refuse")
    .describe("an unfinished run that was made with other settings: refuse to continue, or discard it and restart"),
  earlyStopPatience: positiveInt
    .nullable()
    .default(null)
    .describe(
      "end after so many evaluations that are no better than the best by more than chance: their paired difference to it, with its 95 % interval over dialogues, lies at or below earlyStopGain; evaluations that chance may explain do not count",
    ),
  earlyStopGain: z.number().nonnegative().default(0).describe("smallest gain in accept length that counts as progress"),
  reportTo: z
    .array(z.enum(["tensorboard", "wandb", "mlflow"]))
    .default([])
    .describe("trackers that get the metrics beside metrics.jsonl; each needs its Python package"),
  stateCacheMb: z
    .number()
    .int()
    .nonnegative()
    .default(2048)
    .describe(
      "MiB of captured target states that each process may keep, so that later epochs cost only the draft; used where that saves 5 % of the target's passes or more",
    ),
  packTokens: packTokensSchema,
  draftTokens: z
    .number()
    .int()
    .min(128)
    .default(8192)
    .describe("block tokens of one pass of the draft; bounds the memory of activations"),
  slowRecurrence: slowRecurrenceSchema,
  shardTarget: z
    .union([z.literal("auto"), z.boolean()])
    .default("auto")
    .describe("spread the target's layers over the GPUs; auto: where it does not fit one of them"),
  initFrom: z.string().nullable().default(null).describe("draft directory of the same shape to start from"),
  processes: z
    .number()
    .int()
    .nonnegative()
    .default(0)
    .describe("processes of this machine under torchrun, one a GPU; 0: one process without torchrun"),
  nodes: positiveInt
    .default(1)
    .describe("machines that train together, each started with the same options but nodeRank"),
  nodeRank: z
    .number()
    .int()
    .nonnegative()
    .default(0)
    .describe("number of this machine; 0 writes the result, the others only take part"),
  rendezvous: z
    .string()
    .nullable()
    .default(null)
    .describe("HOST:PORT of machine 0 at which the machines meet; the port must be open between them"),
});

/** An IPv6 address stands in brackets: `[fd00::1]:29500`. */
const RENDEZVOUS = /^(?<host>\[[0-9A-Fa-f:.]+\]|[\w.-]+):(?<port>\d{1,5})$/;

export const trainOptionsSchema = trainOptions.superRefine(({ nodes, nodeRank, rendezvous, processes }, context) => {
  const fail = (field: string, message: string) => context.addIssue({ code: "custom", path: [field], message });
  if (nodes === 1) {
    if (nodeRank !== 0) fail("nodeRank", `is ${nodeRank}, but there is one node: set nodes`);
    if (rendezvous !== null) fail("rendezvous", "has no effect with one node: set nodes, or leave it out");
    return;
  }
  if (nodeRank >= nodes) fail("nodeRank", `is ${nodeRank}; ${nodes} nodes count from 0 to ${nodes - 1}`);
  if (processes === 0)
    fail("processes", `is 0, but ${nodes} nodes train under torchrun: set one for each GPU of a node`);
  if (rendezvous === null) fail("rendezvous", `is missing: ${nodes} nodes need HOST:PORT of node 0`);
  else if (parseRendezvous(rendezvous) === undefined) fail("rendezvous", `is ${rendezvous}, not HOST:PORT`);
});

/** Undefined for what is no address. */
export function parseRendezvous(text: string): { host: string; port: number } | undefined {
  const { host, port } = RENDEZVOUS.exec(text)?.groups ?? {};
  const number = Number(port);
  if (host === undefined || number < 1 || number > 65_535) return undefined;
  return { host: host.replace(/^\[|\]$/g, ""), port: number };
}

export type TrainOptions = z.infer<typeof trainOptionsSchema>;
