/** A check shared by concurrent callers, each of which needs one that begins after its call. */
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
