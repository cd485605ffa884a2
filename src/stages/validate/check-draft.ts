/** Checks a draft's config.json against the target. */
import { type DraftConfig, draftProblems } from "../../model/index.js";
import type { Subject } from "./subject.js";

export function checkDraft({ model, findings }: Subject, draft: DraftConfig, dir: string): void {
  findings.look("draft");
  for (const { field, message, severity } of draftProblems(draft, model.config, model.tokenizer)) {
    findings.add({ check: "draft", severity, message, place: { file: `${dir}/config.json`, field } });
  }
}
