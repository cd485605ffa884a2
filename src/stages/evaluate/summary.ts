/** Rows of an evaluation for the summary table at the end of a run. */
import type { JsonObject } from "../../base/index.js";
import type { Interval } from "./draft-figures.js";
import type { EvaluationData } from "./report.js";

export function summarise({
  breakEven,
  drafts,
  paired,
  predictions,
  comparison,
  served,
  traffic,
}: EvaluationData): JsonObject[] {
  const rows: JsonObject[] = [];
  for (const [name, figures] of Object.entries(drafts)) {
    const verdict =
      name === "untrained" ? "" : figures.pooledAcceptLength >= breakEven ? ", above break-even" : ", BELOW break-even";
    rows.push({
      label: `held-out accept length, ${name} draft`,
      value: `${figures.pooledAcceptLength.toFixed(3)} pooled${bounds(figures.interval)} over ${figures.responses} responses${verdict}`,
    });
  }
  for (const pair of paired.filter(({ draft, baseline }) => draft === "trained" && baseline === "other")) {
    rows.push({
      label: "trained draft less the other, same responses",
      value: `${pair.difference < 0 ? "" : "+"}${pair.difference.toFixed(3)}${bounds(pair.interval)}`,
    });
  }
  for (const one of predictions.filter(({ draft }) => draft === "trained")) {
    rows.push({
      label: `predicted speedup at ${one.concurrency} sequences, ${one.source}`,
      value: `${one.speedup.toFixed(2)}x${bounds(one.interval, 2)}, breaks even at ${one.breakEven.toFixed(2)} tokens per step`,
    });
  }
  for (const [name, loop] of Object.entries(comparison)) {
    rows.push({
      label: `draft-and-verify loop, ${name} draft`,
      value:
        `${loop.steps - loop.differingSteps} of ${loop.steps} steps as the offline walk says, ` +
        `${loop.equalOutputs} of ${loop.responses} outputs equal to greedy`,
    });
  }
  if (served !== null) {
    const offline = drafts.trained?.tokensPerStep ?? 0;
    const apart = offline === 0 ? 0 : (100 * Math.abs(served.tokensPerStep - offline)) / offline;
    rows.push(
      {
        label: "accept length by the server",
        value: `${served.pooledAcceptLength.toFixed(3)} pooled; tokens per step ${served.tokensPerStep.toFixed(3)}, offline ${offline.toFixed(3)}, ${apart.toFixed(2)} % apart`,
      },
      {
        label: "speculative output equal to greedy",
        value: `${served.identical} of ${served.answers} held-out prompts`,
      },
    );
  }
  if (traffic !== null) {
    const { pooledAcceptLength, responses, difference, differenceInterval, aboveBreakEven } = traffic;
    rows.push({
      label: "accept length on traffic, trained draft",
      value: `${pooledAcceptLength.toFixed(3)} pooled over ${responses} responses${aboveBreakEven ? ", above break-even" : ", BELOW break-even"}; ${difference < 0 ? "" : "+"}${difference.toFixed(3)}${bounds(differenceInterval)} against held-out rows`,
    });
  }
  return rows;
}

function bounds(interval: Interval, digits = 3): string {
  return interval === null ? "" : ` (${interval[0].toFixed(digits)} to ${interval[1].toFixed(digits)})`;
}
