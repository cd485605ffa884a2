/** Stubs for a test file, each closed after the test that started it. */
import { afterEach } from "vitest";
import { type Stub, type StubOptions, startStub } from "./stub-server.js";

export interface ClosingStubs {
  stubOf(options?: StubOptions): Promise<Stub>;
  /** Those that this test has started so far. */
  readonly stubs: readonly Stub[];
}

/** To be called once, at the top of a test file. */
export function closingStubs(): ClosingStubs {
  const stubs: Stub[] = [];
  afterEach(async () => {
    await Promise.all(stubs.splice(0).map((stub) => stub.close()));
  });
  const stubOf = async (options: StubOptions = {}): Promise<Stub> => {
    const stub = await startStub(options);
    stubs.push(stub);
    return stub;
  };
  return { stubOf, stubs };
}
