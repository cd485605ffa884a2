/** Text for a command line that people copy. */

/** One word as bash reads it back: quoted only where it must be. */
export function shellWord(text: string): string {
  return /^[\w./:@%+=-]+$/.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`;
}
