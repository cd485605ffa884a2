/** Round numbers along an axis. */
export interface Ticks {
  from: number;
  to: number;
  at: number[];
}

/**
 * The axis from a round number at or below `least` to one at or above `most`.
 *
 * @param wanted - about how many marks
 */
export function ticks(least: number, most: number, wanted: number): Ticks {
  const span = most - least || Math.abs(most) || 1;
  const step = roundStep(span / wanted);
  const first = Math.floor(least / step + 1e-9);
  const last = Math.max(first + 1, Math.ceil(most / step - 1e-9));
  // Multiplied rather than summed up: 0.1 + 0.2 is not 0.3.
  const at = Array.from({ length: last - first + 1 }, (_, index) => Number(((first + index) * step).toPrecision(12)));
  return { from: at[0]!, to: at.at(-1)!, at };
}

/** The smallest of 1, 2 and 5 times a power of ten that is no less than `step`. */
function roundStep(step: number): number {
  const power = 10 ** Math.floor(Math.log10(step));
  const factor = [1, 2, 5, 10].find((each) => each * power >= step * (1 - 1e-9))!;
  return factor * power;
}
