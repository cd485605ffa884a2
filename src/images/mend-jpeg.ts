/**
 * JPEG files whose headers have values that every decoder ignores, but that count as damage at the strictest level. Less
 * strict levels would also accept files whose data was cut and closed again, so the headers are corrected instead:
 *
 * - parameters of a scan that sequential files do not use (ITU T.81, B.2.3: Ss 0, Se 63, Ah and Al 0);
 * - a version of JFIF other than 1, and an unknown colour transform of Adobe's, for which libjpeg takes the usual one;
 * - bytes between two segments that belong to none.
 *
 * The compressed data itself is never touched.
 */

const MARK = 0xff;
const [START, END, SCAN, JFIF, ADOBE] = [0xd8, 0xd9, 0xda, 0xe0, 0xee];
/** Sequential frames: baseline, extended, and extended with arithmetic coding. */
const SEQUENTIAL_FRAMES = [0xc0, 0xc1, 0xc9];
/** Other codes of the row of frames: tables, not frames. */
const NOT_FRAMES = [0xc4, 0xc8, 0xcc];

/** The file with such headers corrected; undefined where there are none, or where its segments do not lead to a scan. */
export function mendJpegHeaders(file: Buffer): Buffer | undefined {
  const bytes = Buffer.from(file);
  const pieces: Buffer[] = [];
  let kept = 0;
  let changed = false;
  let isSequential = false;
  let components = 0;
  let adobe: number | undefined;
  let scans = 0;
  const set = (at: number, value: number): void => {
    if (bytes[at] === value) return;
    bytes[at] = value;
    changed = true;
  };
  if (bytes[0] !== MARK || bytes[1] !== START) return undefined;
  let at = 2;
  while (at < bytes.length) {
    const marker = nextMarker(bytes, at);
    if (marker < 0) break;
    // Before the first scan there is nothing between segments that a decoder could read.
    if (marker > at && scans === 0) {
      pieces.push(bytes.subarray(kept, at));
      kept = marker;
      changed = true;
    }
    const code = bytes[marker + 1]!;
    if (code === END) break;
    if (marker + 4 > bytes.length) break;
    const body = marker + 4;
    const end = marker + 2 + bytes.readUInt16BE(marker + 2);
    if (end < body || end > bytes.length) return undefined;
    if (code >= 0xc0 && code <= 0xcf && !NOT_FRAMES.includes(code)) {
      isSequential = SEQUENTIAL_FRAMES.includes(code);
      components = bytes[body + 5] ?? 0;
    } else if (code === JFIF && end - body >= 14 && bytes.toString("latin1", body, body + 5) === "JFIF\0") {
      set(body + 5, 1);
    } else if (code === ADOBE && end - body >= 12 && bytes.toString("latin1", body, body + 5) === "Adobe") {
      adobe = body + 11;
    } else if (code === SCAN) {
      scans += 1;
      if (isSequential && end - body >= 3)
        for (const [back, value] of [
          [3, 0],
          [2, 63],
          [1, 0],
        ] as const)
          set(end - back, value);
    }
    at = end;
  }
  if (adobe !== undefined) {
    const known = components === 4 ? [0, 2] : [0, 1];
    if ((components === 3 || components === 4) && !known.includes(bytes[adobe]!)) set(adobe, known[1]!);
  }
  return scans > 0 && changed ? Buffer.concat([...pieces, bytes.subarray(kept)]) : undefined;
}

/** Where the next marker begins, compressed data and restart markers skipped; -1 at the end of the file. */
function nextMarker(bytes: Buffer, from: number): number {
  for (let at = bytes.indexOf(MARK, from); at >= 0 && at + 1 < bytes.length; at = bytes.indexOf(MARK, at + 1)) {
    const code = bytes[at + 1]!;
    const isRestart = code >= 0xd0 && code <= 0xd7;
    if (code !== 0 && code !== MARK && !isRestart) return at;
  }
  return -1;
}
