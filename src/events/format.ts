/** Numbers and durations as people read them. */

/** `4.2 s`, `3 min 05 s`, `2 h 07 min`. */
export function formatSeconds(seconds: number): string {
  if (seconds < 59.95) return `${seconds.toFixed(1)} s`;
  const whole = Math.round(seconds);
  const minutes = Math.floor(whole / 60);
  if (minutes < 60) return `${minutes} min ${pad(whole % 60)} s`;
  return `${Math.floor(minutes / 60)} h ${pad(minutes % 60)} min`;
}

/** For estimates: `12 minutes`, `3.4 hours`, `95 hours`. */
export function formatHours(hours: number): string {
  if (hours < 1) return `${Math.max(1, Math.ceil(hours * 60))} minutes`;
  return `${hours < 10 ? hours.toFixed(1) : formatNumber(Math.round(hours))} hours`;
}

/** For estimates: `3 MB`, `1.2 GB`, `1.4 TB`. */
export function formatBytes(bytes: number): string {
  if (bytes < 1e9) return `${Math.max(1, Math.round(bytes / 1e6))} MB`;
  return bytes < 1e12 ? `${(bytes / 1e9).toFixed(1)} GB` : `${(bytes / 1e12).toFixed(1)} TB`;
}

/** Thousands separated by commas; three significant digits where there is a fraction. */
export function formatNumber(value: number): string {
  if (!Number.isFinite(value)) return String(value);
  if (Number.isInteger(value)) return value.toLocaleString("en-US");
  if (Math.abs(value) >= 100) return Math.round(value).toLocaleString("en-US");
  return String(Number(value.toPrecision(3)));
}

/** `image-missing 3, timeout 1`, most frequent first. */
export function formatReasons(reasons: Readonly<Record<string, number>>): string {
  return Object.entries(reasons)
    .filter(([, count]) => count > 0)
    .sort(([a, x], [b, y]) => y - x || (a < b ? -1 : 1))
    .map(([reason, count]) => `${reason} ${formatNumber(count)}`)
    .join(", ");
}

export function sumReasons(reasons: Readonly<Record<string, number>>): number {
  return Object.values(reasons).reduce((sum, count) => sum + count, 0);
}

function pad(value: number): string {
  return String(value).padStart(2, "0");
}
