/** Works on several items at once and hands the results out in the order of the items. */
export async function* mapOrdered<T, R>(
  items: AsyncIterable<T> | Iterable<T>,
  inFlight: number,
  work: (item: T) => Promise<R>,
): AsyncGenerator<R> {
  const running: Promise<R>[] = [];
  try {
    for await (const item of items) {
      const result = work(item);
      // Whoever awaits it hears of a failure; until then it must not count as unhandled.
      result.catch(() => undefined);
      running.push(result);
      if (running.length >= inFlight) yield await running.shift()!;
    }
    while (running.length > 0) yield await running.shift()!;
  } finally {
    await Promise.allSettled(running);
  }
}
