/** The reference server keeps the contract. */
import { join } from "node:path";
import { packageRoot, startServer } from "../../src/python/index.js";
import { contractSuite } from "./suite.js";

const modelDir = join(packageRoot(), "fixtures", "tiny-gui");

contractSuite({
  name: "the reference server",
  modelDir,
  features: { strict: true, draft: false },
  start: () => startServer({ model: modelDir, servedModelName: "tiny-gui" }),
});
