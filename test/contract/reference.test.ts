/** The reference server keeps the contract, with a draft too. */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll } from "vitest";
import { packageRoot, startServer } from "../../src/python/index.js";
import { writeIdleDraft } from "../sglang/idle-draft.js";
import { modelFacts } from "./model.js";
import { contractSuite } from "./suite.js";

const modelDir = join(packageRoot(), "fixtures", "tiny-gui");
const scratch: string[] = [];
afterAll(async () => {
  for (const directory of scratch) await rm(directory, { recursive: true, force: true });
});

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
    const directory = await mkdtemp(join(tmpdir(), "draftsmith-contract-"));
    scratch.push(directory);
    await writeIdleDraft(directory, modelDir, modelFacts(modelDir).stopIds[0] ?? 0, 4);
    return startServer({ model: modelDir, draft: directory });
  },
});
