/** One line of text for every event that stays on the screen. */
import { formatLocation } from "../base/index.js";
import { describeCounts } from "./counts.js";
import type { DraftsmithEvent } from "./event.js";
import { formatNumber, formatSeconds } from "./format.js";

const MAX_MESSAGE = 240;

export type Tone = "plain" | "good" | "bad" | "quiet" | "warn";

export interface Line {
  tone: Tone;
  text: string;
}

/** Undefined for transient events (progress, metrics). */
export function describeEvent(event: DraftsmithEvent): Line | undefined {
  switch (event.type) {
    case "run-started":
      return { tone: "quiet", text: `run ${event.pipeline}: ${event.steps.join(", ")}` };
    case "step-started":
      return { tone: "plain", text: `${event.step}: runs, ${event.why}` };
    case "step-cached":
      return { tone: "quiet", text: withCounts(`${event.step}: cached`, event.counts) };
    case "step-finished":
      return { tone: "good", text: withCounts(`${event.step}: done in ${formatSeconds(event.seconds)}`, event.counts) };
    case "step-failed":
      return { tone: "bad", text: failure(event) };
    case "step-skipped":
      return { tone: "quiet", text: `${event.step}: not run, ${event.why}` };
    case "service":
      return {
        tone: event.state === "failed" ? "bad" : "quiet",
        text: `service ${event.service}: ${event.state}${event.note === undefined ? "" : `, ${event.note}`}`,
      };
    case "log": {
      const prefix = event.step === undefined ? "" : `${event.step}: `;
      return {
        tone: event.level === "warn" ? "warn" : "plain",
        text: `${prefix}${event.level === "warn" ? "warning: " : ""}${event.message}`,
      };
    }
    case "step-progress":
    case "step-metric":
    case "run-finished":
      return undefined;
  }
}

/** `at 120: loss 1.24, accept 2.31`. */
export function describeMetric(event: Extract<DraftsmithEvent, { type: "step-metric" }>): string {
  const values = Object.entries(event.values).map(([name, value]) => `${name} ${formatNumber(value)}`);
  return `at ${formatNumber(event.at)}: ${values.join(", ")}`;
}

function withCounts(text: string, counts: Parameters<typeof describeCounts>[0]): string {
  const counted = describeCounts(counts);
  return counted === "" ? text : `${text}, ${counted}`;
}

function failure(event: Extract<DraftsmithEvent, { type: "step-failed" }>): string {
  const place = event.location === undefined ? "" : formatLocation(event.location);
  // A bug's message may be a page of JSON; it is printed in full at the end.
  const message = event.message.replaceAll(/\s+/g, " ");
  const short = message.length > MAX_MESSAGE ? `${message.slice(0, MAX_MESSAGE)}...` : message;
  return `${event.step}: failed, ${event.code}: ${short}${place === "" ? "" : ` (${place})`}`;
}
