import { describe, expect, it } from "vitest";
import { evaluationPage } from "../../../src/stages/evaluate/page.js";
import { evaluationReport } from "../../../src/stages/evaluate/report-files.js";
import { sampleDraft, sampleEvaluation } from "./sample-evaluation.js";

const textOf = (page: string): string =>
  page
    .replaceAll(/<style>.*?<\/style>/gs, "")
    .replaceAll(/<[^>]+>/g, " ")
    .replaceAll(/\s+/g, " ");

describe("the evaluation's page", () => {
  const page = evaluationPage(sampleEvaluation());

  it("shows intervals, pairs, places, oracle, calibration and groups", () => {
    const text = textOf(page);
    for (const shown of [
      "2.350 2.200 to 2.500",
      "trained less untrained +1.340 1.200 to 1.500",
      "16 3.150 +0.800 0.60 0.50 0.40",
      "predicts an accept length of 2.410, and it is 2.350",
      "too few dialogues",
      "20 of 20 steps equal to the walk&#39;s",
    ]) {
      expect(text).toContain(shown);
    }
  });

  it("has the table of the request and a line for each concurrency, with break-even where it lies on the plot", () => {
    const text = textOf(page);
    expect(text).toContain("trained reference decoder 20,000 5 4 2.350 1 1.500 1.53x 0.40 to 1.60 pays");
    expect(text).toContain("trained reference decoder 20,000 5 4 2.350 16 4.930 0.47x 0.40 to 1.60 loses");
    expect(page.match(/<polyline class="curve"/g)).toHaveLength(2);
    // 16 sequences break even at 4.93 tokens per step, which a block of 4 cannot bring.
    expect(page.match(/<circle/g)).toHaveLength(1);
    expect(page).toContain("1 sequences break even at 1.500 tokens per step");
  });

  it("is the same for the same figures, and escapes what comes from the data", () => {
    expect(evaluationReport.draw(JSON.parse(JSON.stringify(sampleEvaluation())))["evaluation.html"]).toBe(page);
    expect(page).not.toContain("<script>");
    expect(page).toContain("&lt;script&gt;alert(1)");
  });

  it("leaves out what was not measured", () => {
    const bare = sampleDraft({ places: null, oracle: null, calibration: null });
    const text = textOf(
      evaluationPage(
        sampleEvaluation({ drafts: { trained: bare }, paired: [], latencies: [], predictions: [], comparison: {} }),
      ),
    );
    for (const absent of ["Oracle", "Calibration", "Will it pay off?", "compared on the same", "real decoding"]) {
      expect(text).not.toContain(absent);
    }
    expect(text).toContain("trained, by place");
  });

  it("refuses figures of another form", () => {
    const { paired: _, ...rest } = sampleEvaluation();
    expect(() => evaluationReport.draw(rest)).toThrow(/paired/);
  });
});
