/** Groups of tests that compare with transformers and jinja2 in Python. */
import { afterAll, beforeAll, describe } from "vitest";
import { findReference, Reference } from "./reference.js";

const found = await findReference();
const missing = "missing" in found ? found.missing : null;

/**
 * Starts one Python process for the group and ends it afterwards; where there is no Python, the group is skipped and its
 * title says why.
 *
 * @param define - declares the tests; the reference can be asked inside them and inside hooks
 */
export function describeWithReference(title: string, define: (reference: Reference) => void): void {
  describe.skipIf(missing !== null)(missing === null ? title : `${title} (skipped: ${missing})`, () => {
    const reference = new Reference("executable" in found ? found.executable : "");
    // The first answer comes after Python's imports: not a matter for any test's own time limit.
    beforeAll(async () => {
      await reference.ask({ kind: "version" });
    });
    afterAll(() => reference.close());
    define(reference);
  });
}
