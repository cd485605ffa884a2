/** evaluation.html: a pure function of evaluation.json. */
import { formatNumber } from "../../events/index.js";
import {
  fixed,
  type Html,
  html,
  keyFigures,
  numbers,
  page,
  percent,
  range,
  signed,
  table,
} from "../../report/index.js";
import { breakEvenPart } from "./break-even-page.js";
import type { DraftFigures, Pair } from "./draft-figures.js";
import type { EvaluationData } from "./report.js";

export function evaluationPage(data: EvaluationData): string {
  const { drafts, breakEven, split, rows } = data;
  const { trained } = drafts;
  return page(
    "evaluation",
    html`<h1>evaluation: ${formatNumber(rows.kept)} ${split === "heldout" ? "held-out" : "training"} rows</h1>\n`,
    trained === undefined
      ? undefined
      : keyFigures([
          { label: "accept length", value: fixed(trained.pooledAcceptLength) },
          { label: "its 95 % interval", value: range(trained.interval) },
          { label: `break-even as configured`, value: fixed(breakEven, 2) },
          { label: "dialogues", value: formatNumber(trained.dialogues) },
          { label: "responses", value: formatNumber(trained.responses) },
        ]),
    draftsTable(drafts),
    data.paired.length === 0 ? undefined : pairsTable(data.paired),
    trafficPart(data.traffic),
    breakEvenPart(data),
    ...Object.entries(drafts)
      .filter(([name]) => name !== "untrained")
      .map(([name, figures]) => draftPart(name, figures)),
    loopsPart(data),
    html`<p class="quiet">Intervals are 95 % bootstraps over dialogues (2,000 resamples).</p>\n`,
  );
}

function draftsTable(drafts: EvaluationData["drafts"]): Html {
  return table(
    [
      { name: "draft" },
      ...numbers("block", "accept length, pooled", "95 %", "mean of responses", "95 %", "tokens per step", "steps"),
    ],
    Object.entries(drafts).map(([name, one]) => [
      name,
      one.blockSize,
      fixed(one.pooledAcceptLength),
      range(one.interval),
      fixed(one.meanAcceptLength),
      range(one.meanInterval),
      fixed(one.tokensPerStep),
      formatNumber(one.steps),
    ]),
  );
}

/** Is the draft as good where it is used? */
function trafficPart(traffic: EvaluationData["traffic"]): Html | undefined {
  if (traffic === null) return undefined;
  const row = [
    formatNumber(traffic.responses),
    fixed(traffic.pooledAcceptLength),
    range(traffic.interval),
    fixed(traffic.tokensPerStep),
    signed(traffic.difference),
    range(traffic.differenceInterval),
  ];
  const columns = ["responses", "accept length, pooled", "95 %", "tokens per step", "less held-out rows", "95 %"];
  return html`<h2>Production traffic</h2>\n${table(numbers(...columns), [row])}`;
}

function pairsTable(pairs: readonly Pair[]): Html {
  const rows = pairs.map((one) => [
    `${one.draft} less ${one.baseline}`,
    signed(one.difference),
    range(one.interval),
    signed(one.meanDifference),
    range(one.meanInterval),
    one.dialoguesBetter,
    one.dialoguesEqual,
    one.dialoguesWorse,
  ]);
  return html`<h2>Drafts compared on the same responses</h2>\n${table(
    [{ name: "pair" }, ...numbers("difference", "95 %", "of means", "95 %", "dialogues better", "equal", "worse")],
    rows,
  )}`;
}

function draftPart(name: string, figures: DraftFigures): Html {
  return html`<h2>${name}, by place</h2>\n${placesTable(figures)}${oraclePart(figures)}${calibrationPart(figures)}${figures.groups.map(
    ({ dimension, groups }) => html`<h3>${name}, by ${dimension}</h3>\n${groupsTable(groups)}`,
  )}`;
}

function placesTable({ perPosition, places, histogram, steps }: DraftFigures): Html {
  const rows = perPosition.map((one, at) => {
    const place = places?.[at];
    return [
      one.place,
      formatNumber(one.offered),
      percent(one.rate),
      percent(one.reached === 0 ? null : one.accepted / one.reached),
      percent(steps === 0 ? null : (histogram[one.place] ?? 0) / steps),
      fixed(place?.loss ?? null),
      fixed(place?.lossReached ?? null),
      percent(place?.confidence ?? null),
    ];
  });
  return table(
    numbers(
      "place",
      "offered",
      "accepted of offered",
      "of reached",
      "steps that end here",
      "loss",
      "loss where reached",
      "confidence",
    ),
    rows,
  );
}

function oraclePart({ oracle, pooledAcceptLength }: DraftFigures): Html | undefined {
  if (oracle === null) return undefined;
  const rows = oracle.map((one) => [
    one.candidates,
    fixed(one.pooledAcceptLength),
    signed(one.pooledAcceptLength - pooledAcceptLength),
    one.rates.map((rate) => rate.toFixed(2)).join(" "),
  ]);
  return html`<h3>Oracle: the right token chosen wherever it is among the first candidates</h3>\n${table(
    numbers("candidates", "accept length", "to the draft's own", "accepted by place"),
    rows,
  )}`;
}

function calibrationPart({ calibration, pooledAcceptLength }: DraftFigures): Html | undefined {
  if (calibration === null) return undefined;
  const { tokens, prefixes, expectedAcceptLength } = calibration;
  const rows = tokens.bins.map((bin, at) => {
    const prefix = prefixes.bins[at]!;
    return [
      `${percent(bin.from)} to ${percent(bin.to)}`,
      ...[formatNumber(bin.count), percent(bin.confidence), percent(bin.frequency)],
      ...[formatNumber(prefix.count), percent(prefix.confidence), percent(prefix.frequency)],
    ];
  });
  return html`<h3>Calibration</h3>
<p>Confidence and acceptance are ${percent(tokens.error)} apart on average, ${percent(prefixes.error)} for whole prefixes; the draft's own confidence predicts an accept length of ${fixed(expectedAcceptLength)}, and it is ${fixed(pooledAcceptLength)}.</p>
${table(numbers("confidence", "tokens", "mean", "accepted", "prefixes", "mean", "accepted"), rows)}`;
}

function groupsTable(groups: DraftFigures["groups"][number]["groups"]): Html {
  return table(
    [{ name: "group" }, ...numbers("responses", "dialogues", "steps", "accept length", "95 %", "mean of responses")],
    groups.map((one) => [
      one.name,
      formatNumber(one.responses),
      formatNumber(one.dialogues),
      formatNumber(one.steps),
      fixed(one.pooledAcceptLength),
      range(one.interval),
      fixed(one.meanAcceptLength),
    ]),
  );
}

function loopsPart({ comparison, served }: EvaluationData): Html | undefined {
  const rows = Object.entries(comparison).map(([name, loop]) => [
    `draft-and-verify loop, ${name}`,
    `${formatNumber(loop.steps - loop.differingSteps)} of ${formatNumber(loop.steps)} steps equal to the walk's`,
    `${formatNumber(loop.equalOutputs)} of ${formatNumber(loop.responses)} outputs equal to greedy`,
  ]);
  if (served !== null) {
    rows.push([
      "the server",
      `${fixed(served.tokensPerStep)} tokens per step, ${fixed(served.pooledAcceptLength)} as it counts`,
      `${formatNumber(served.identical)} of ${formatNumber(served.answers)} outputs equal to greedy`,
    ]);
  }
  if (rows.length === 0) return undefined;
  return html`<h2>Held against real decoding</h2>\n${table([{ name: "what" }, { name: "steps" }, { name: "outputs" }], rows)}`;
}
