/** The closing lines of a dry run: what all its steps would take together. */
import { formatBytes, formatHours } from "../events/index.js";

/** A step's own figures, as far as its stage knows them. */
export interface StepCost {
  name: string;
  hours?: number;
  diskBytes?: number;
}

/**
 * Hours and bytes of the steps added up; steps that say nothing of time are named, so that nobody takes a part for the
 * whole.
 *
 * @param steps - those that would run
 */
export function wholeRun(steps: readonly StepCost[]): string[] {
  const timed = steps.flatMap(({ name, hours }) => (hours === undefined ? [] : [{ name, figure: hours }]));
  const sized = steps.flatMap(({ name, diskBytes }) => (diskBytes === undefined ? [] : [{ name, figure: diskBytes }]));
  const silent = steps.filter(({ hours }) => hours === undefined).map(({ name }) => name);
  const time = timed.length === 0 ? [] : [`time of the whole run: ${summed(timed, formatHours)}`];
  return [
    ...time,
    ...(time.length === 0 || silent.length === 0
      ? []
      : [`  without ${silent.join(", ")}, which give no estimate of it`]),
    ...(sized.length === 0 ? [] : [`disk of the whole run: ${summed(sized, formatBytes)}`]),
  ];
}

function summed(parts: readonly { name: string; figure: number }[], format: (figure: number) => string): string {
  const total = parts.reduce((sum, { figure }) => sum + figure, 0);
  return `about ${format(total)} (${parts.map(({ name, figure }) => `${name} ${format(figure)}`).join(", ")})`;
}
