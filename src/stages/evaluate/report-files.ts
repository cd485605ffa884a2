/** The files of the evaluation's report. */
import { defineReport } from "../../report/index.js";
import { evaluationPage } from "./page.js";
import { evaluationSchema } from "./report.js";

export const evaluationReport = defineReport("evaluation.json", evaluationSchema, {
  "evaluation.html": evaluationPage,
});
