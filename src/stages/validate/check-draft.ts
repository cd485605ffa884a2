/** A draft's config.json against the target. */
import { draftProblems, MASK_TOKEN, readDraftConfig } from "../../model/index.js";
import type { Subject } from "./subject.js";

/** From here on the draft's own mask token is what data must not hold. */
export async function checkDraft(subject: Subject, dir: string): Promise<void> {
  const { model, findings } = subject;
  const draft = await readDraftConfig(dir);
  findings.look("draft");
  for (const { field, message } of draftProblems(draft, model.config, model.tokenizer.idOf(MASK_TOKEN))) {
    findings.add({ check: "draft", severity: "error", message, place: { file: `${dir}/config.json`, field } });
  }
  const mask = draft.dflash_config.mask_token_id;
  subject.model = { ...model, maskTokenId: mask };
  if (model.tokenizer.tokenOf(mask) !== undefined && mask !== model.tokenizer.idOf(MASK_TOKEN)) {
    const message = `the mask token ${mask} is ${JSON.stringify(model.tokenizer.tokenOf(mask))}, which text can hold`;
    findings.add({ check: "draft", severity: "warning", message, place: { file: `${dir}/config.json` } });
  }
}
