/** The pipelines in the tree plan as they stand, without data, models or servers. */
import { readdirSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { dryRun, planPipeline } from "../../src/pipeline/index.js";
import { temporaryDirectory } from "../stages/regenerate/harness.js";

const ROOT = join(import.meta.dirname, "../..");
const PIPELINES = join(ROOT, "pipelines");

describe("the pipelines of the tree", () => {
  it.each(readdirSync(PIPELINES).filter((name) => name.endsWith(".yaml")))("%s has a plan", async (name) => {
    const plan = await planPipeline({ file: join(PIPELINES, name), workspace: await temporaryDirectory() });
    expect(plan.steps.map((step) => step.name)).toEqual(expect.arrayContaining(["regenerate", "train", "evaluate"]));
  });

  it("the large one takes its servers from a file that is there, and each finds its concurrency", async () => {
    const file = join(PIPELINES, "regenerate-278k.yaml");
    const workspace = await temporaryDirectory();
    const plan = await planPipeline({ file, workspace });
    expect(plan.steps.find(({ name }) => name === "regenerate")!.options).toMatchObject({
      serversFile: join(PIPELINES, "regenerate-278k.servers.txt"),
      concurrency: "auto",
    });
    const { steps, services } = await dryRun({ file, workspace });
    const { notes, estimate } = steps.find(({ name }) => name === "regenerate")!;
    expect(estimate[0]).toMatch(/^4 server\(s\), 128 dialogues in flight \(a guess: auto/);
    expect(notes.join()).not.toContain("servers.txt");
    expect(services).toMatchObject([{ name: "target", what: expect.stringContaining("http://127.0.0.1:30000") }]);
  });
});
