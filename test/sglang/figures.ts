/** Figures that a run of the suite measures, shown together at its end: they go into reports, so they must be seen. */
const lines: [string, string | number][] = [];

export function figure(name: string, value: string | number): void {
  lines.push([name, value]);
}

export function showFigures(): void {
  const width = Math.max(...lines.map(([name]) => name.length));
  console.log(lines.map(([name, value]) => `${name.padEnd(width)}  ${value}`).join("\n"));
}
