/** Every stage by name, loaded only when it is used: sharp, arrow and undici together cost a third of a second. */
import type { Stage } from "./stage.js";

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

export const STAGE_NAMES = Object.keys(loaders) as StageName[];

export function isStageName(name: string): name is StageName {
  return Object.hasOwn(loaders, name);
}

/** The stage, with its option and input types forgotten: callers validate through its schema. */
export async function loadStage(name: StageName): Promise<Stage> {
  const module = await loaders[name]();
  return module.stage as unknown as Stage;
}
