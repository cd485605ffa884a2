/** A check that many callers want at once, each of them one that begins after its call: they share the next one. */
export class SharedCheck {
  private current: Promise<boolean> | undefined;
  private next: Promise<boolean> | undefined;

  /** @param run - never runs twice at a time */
  fresh(run: () => Promise<boolean>): Promise<boolean> {
    this.next ??= (this.current ?? Promise.resolve(true))
      .catch(() => false)
      .then(() => {
        this.current = this.next;
        this.next = undefined;
        return run();
      });
    return this.next;
  }
}
