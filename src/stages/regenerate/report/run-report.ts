/** The report of a run: figures for programs, and a page for people. Beside the artifact, since it holds times. */
import { defineReport } from "../../../report/index.js";
import { runReportSchema } from "./run-report-data.js";
import { runReportPage } from "./run-report-page.js";

export const runReport = defineReport("report.json", runReportSchema, { "report.html": runReportPage });
