/** `text` with `inserted` before each of these places, which ascend. */
export function insertAt(text: string, places: readonly number[], inserted: string): string {
  let built = "";
  let from = 0;
  for (const place of places) {
    built += text.slice(from, place) + inserted;
    from = place;
  }
  return built + text.slice(from);
}
