import { z } from "zod";
import { DraftsmithError } from "../../base/index.js";
import { defineStage } from "../stage.js";

/** Placeholder until this stage's engineer replaces it today. */
export const stage = defineStage({
  name: "demo-data",
  summary: "",
  options: z.strictObject({}),
  inputs: {},
  output: "raw",
  codeVersion: 0,
  run: async () => {
    throw new DraftsmithError("USAGE", "not written yet");
  },
});
