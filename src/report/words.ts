/** Measured values and their intervals as pages show them. */
import type { Column } from "./pieces.js";

export function fixed(value: number | null, digits = 3): string {
  return value === null ? "" : value.toFixed(digits);
}

export function signed(value: number): string {
  return `${value < 0 ? "" : "+"}${value.toFixed(3)}`;
}

export function range(interval: readonly [number, number] | null, digits = 3): string {
  return interval === null ? "too few dialogues" : `${fixed(interval[0], digits)} to ${fixed(interval[1], digits)}`;
}

export function percent(share: number | null): string {
  return share === null ? "" : `${(100 * share).toFixed(1)} %`;
}

/** Columns of numbers. */
export function numbers(...names: string[]): Column[] {
  return names.map((name) => ({ name, isNumber: true }));
}
