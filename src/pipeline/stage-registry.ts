/** The toolkit's own stages, behind the interface that the planner asks. */
import { isStageName, loadStage, STAGE_NAMES } from "../stages/registry.js";
import type { StageRegistry } from "./plan-types.js";

export const allStages: StageRegistry = {
  names: STAGE_NAMES,
  load: async (name) => {
    if (!isStageName(name)) throw new Error(`no stage ${name}`);
    return loadStage(name);
  },
};
