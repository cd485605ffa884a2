/**
 * What a server of the toolkit's targets must answer, as tests that run against any of them: the reference server in the
 * normal suite, the real SGLang in the opt-in one. What the two are allowed to do differently is a named feature here.
 */
import { afterAll, beforeAll, describe } from "vitest";
import { chatContract } from "./chat.js";
import { draftContract } from "./draft.js";
import { errorContract } from "./errors.js";
import { generateContract } from "./generate.js";
import { imageContract } from "./images.js";
import { infoContract } from "./info.js";
import { type ModelFacts, modelFacts } from "./model.js";
import { streamContract } from "./stream.js";
import { tokenContract } from "./tokens.js";

export interface Features {
  /** Refuses whatever is not greedy, and placeholders that do not fit the images, with a 400. */
  strict: boolean;
  /** Started with a DFlash draft. */
  draft: boolean;
}

export interface ContractRequest {
  name: string;
  modelDir: string;
  features: Features;
  /** A running server; else `start` is called once. */
  baseUrl?: string;
  start?: () => Promise<{ url: string; stop(): Promise<void> }>;
  /** Only what a draft adds, for a server whose plain twin was tested in full. */
  draftOnly?: boolean;
  /** Milliseconds for starting. */
  startTimeoutMs?: number;
}

/** What every part of the suite works with; `url()` may be called inside tests only. */
export interface Contract {
  url(): string;
  facts: ModelFacts;
  features: Features;
}

export function contractSuite(request: ContractRequest): void {
  describe(`SGLang's contract, by ${request.name}`, () => {
    let server: { url: string; stop(): Promise<void> } | undefined;
    beforeAll(async () => {
      server =
        request.baseUrl === undefined
          ? await request.start?.()
          : { url: request.baseUrl, stop: () => Promise.resolve() };
    }, request.startTimeoutMs ?? 300_000);
    afterAll(async () => {
      await server?.stop();
    }, 60_000);
    const contract: Contract = {
      url: () => {
        if (server === undefined) throw new Error("the server is not running");
        return server.url;
      },
      facts: modelFacts(request.modelDir),
      features: request.features,
    };
    if (request.features.draft) draftContract(contract);
    if (request.draftOnly === true) return;
    chatContract(contract);
    imageContract(contract);
    generateContract(contract);
    tokenContract(contract);
    streamContract(contract);
    infoContract(contract);
    errorContract(contract);
  });
}
