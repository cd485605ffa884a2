/** The contract that the reference server is held to is the real server's: the same tests, run against SGLang. */
import { inject } from "vitest";
import { contractSuite } from "../contract/suite.js";
import { MODEL } from "./target.js";

contractSuite({
  name: "the real SGLang",
  modelDir: MODEL,
  features: { strict: false, draft: false },
  baseUrl: inject("plainServer"),
});
