/** All stages by name, loaded on first use: sharp, arrow and undici together take a third of a second. */
import type { z } from "zod";
import type { demoDataOptionsSchema } from "./demo-data/options.js";
import type { evaluateOptionsSchema } from "./evaluate/options.js";
import type { exportOptionsSchema } from "./export/options.js";
import type { importOptionsSchema } from "./import/options.js";
import type { mergeOptionsSchema } from "./merge/options.js";
import type { regenerateOptionsSchema } from "./regenerate/options.js";
import type { shardOptionsSchema } from "./shard/options.js";
import type { Stage } from "./stage.js";
import type { tokenizeOptionsSchema } from "./tokenize/options.js";
import type { trainOptionsSchema } from "./train/options.js";
import type { validateOptionsSchema } from "./validate/options.js";

const loaders = {
  "demo-data": () => import("./demo-data/index.js"),
  import: () => import("./import/index.js"),
  regenerate: () => import("./regenerate/index.js"),
  merge: () => import("./merge/index.js"),
  tokenize: () => import("./tokenize/index.js"),
  shard: () => import("./shard/index.js"),
  validate: () => import("./validate/index.js"),
  train: () => import("./train/index.js"),
  evaluate: () => import("./evaluate/index.js"),
  export: () => import("./export/index.js"),
} as const;

export type StageName = keyof typeof loaders;

/** Options as a user writes them: what has a default may be left out. */
export interface StageOptions {
  "demo-data": z.input<typeof demoDataOptionsSchema>;
  import: z.input<typeof importOptionsSchema>;
  regenerate: z.input<typeof regenerateOptionsSchema>;
  merge: z.input<typeof mergeOptionsSchema>;
  tokenize: z.input<typeof tokenizeOptionsSchema>;
  shard: z.input<typeof shardOptionsSchema>;
  validate: z.input<typeof validateOptionsSchema>;
  train: z.input<typeof trainOptionsSchema>;
  evaluate: z.input<typeof evaluateOptionsSchema>;
  export: z.input<typeof exportOptionsSchema>;
}

export const STAGE_NAMES = Object.keys(loaders) as StageName[];

export function isStageName(name: string): name is StageName {
  return Object.hasOwn(loaders, name);
}

/** The stage without its option and input types: callers validate through its schema. */
export async function loadStage(name: StageName): Promise<Stage> {
  const module = await loaders[name]();
  return module.stage;
}
