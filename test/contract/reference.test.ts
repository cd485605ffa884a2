import { join } from "node:path";
import { packageRoot, startServer } from "../../src/trainer-process/index.js";
import { scratchDirectory } from "../scratch/scratch.js";
import { writeIdleDraft } from "../sglang/idle-draft.js";
import { modelFacts } from "./model.js";
import { contractSuite } from "./suite.js";

const modelDir = join(packageRoot(), "fixtures", "tiny-gui");

contractSuite({
  name: "the reference server",
  modelDir,
  features: { strict: true, draft: false },
  start: () => startServer({ model: modelDir, servedModelName: "tiny-gui" }),
});

contractSuite({
  name: "the reference server with a draft",
  modelDir,
  features: { strict: true, draft: true },
  draftOnly: true,
  start: async () => {
    const directory = scratchDirectory("contract");
    await writeIdleDraft(directory, modelDir, modelFacts(modelDir).stopIds[0] ?? 0, 4);
    return startServer({ model: modelDir, draft: directory });
  },
});
