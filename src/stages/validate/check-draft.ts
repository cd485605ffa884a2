/** Checks a draft's config.json against the target. */
import { type DraftConfig, draftProblems, MASK_TOKEN } from "../../model/index.js";
import type { Subject } from "./subject.js";

export function checkDraft({ model, findings }: Subject, draft: DraftConfig, dir: string): void {
  findings.look("draft");
  for (const { field, message } of draftProblems(draft, model.config, model.tokenizer.idOf(MASK_TOKEN))) {
    findings.add({ check: "draft", severity: "error", message, place: { file: `${dir}/config.json`, field } });
  }
  const mask = draft.dflash_config.mask_token_id;
  if (model.tokenizer.tokenOf(mask) !== undefined && mask !== model.tokenizer.idOf(MASK_TOKEN)) {
    const message = `the mask token ${mask} is ${JSON.stringify(model.tokenizer.tokenOf(mask))}, which text can hold`;
    findings.add({ check: "draft", severity: "warning", message, place: { file: `${dir}/config.json` } });
  }
}
