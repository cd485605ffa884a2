/** A dialogues artifact with its manifest, as import seals it. */
import { sealDirectory } from "../../../src/artifacts/index.js";
import type { Dialogue } from "../../../src/dialogue/index.js";
import { writeArtifact } from "./harness.js";

export async function sealedDialogues(root: string, rows: readonly Dialogue[]): Promise<void> {
  await writeArtifact(root, rows);
  await sealDirectory({
    directory: root,
    kind: "dialogues",
    producer: { stage: "import", version: "1", options: {} },
    inputs: {},
    draft: { counts: { read: rows.length, kept: rows.length, rejected: {} }, facts: {} },
  });
}
