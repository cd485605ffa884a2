/** The report of validate: figures, and a text and a page drawn from them. */
import { defineReport } from "../../../report/index.js";
import { reportSchema } from "./data.js";
import { pageOf } from "./page.js";
import { textOf } from "./text.js";

export { type ReportData, reportDataOf } from "./data.js";

export const REPORT_TEXT = "report.txt";
export const REPORT_HTML = "report.html";

export const validateReport = defineReport("report.json", reportSchema, {
  [REPORT_TEXT]: textOf,
  [REPORT_HTML]: pageOf,
});
