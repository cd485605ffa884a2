/**
 * Nothing that a server answers is used before the prompt that it answered is known to be the right one. So a server that
 * begins to render differently loses only answers that nobody has used yet, and a crash at any time leaves nothing to undo.
 */
import { ask, type Outcome, type Probe, type ServerClient } from "../../../sglang/index.js";
import type { PromptCheck } from "../prompts/prompt-check.js";
import type { PromptStatistics } from "../report/statistics.js";
import { type Inspection, PROBE_TIMEOUT_MS } from "../servers/inspect.js";
import type { PoolServer } from "../servers/pool-server.js";
import type { ServerPool } from "../servers/server-pool.js";
import type { AskedTurn } from "./request.js";

export class PromptGuard {
  constructor(
    private readonly prompts: PromptCheck,
    private readonly pool: ServerPool,
    private readonly statistics: PromptStatistics,
    private readonly note: (level: "info" | "warn", message: string) => void,
  ) {}

  /** @returns the same outcome, or a transient one where its prompt is wrong or cannot be trusted */
  async check(server: PoolServer, turn: AskedTurn, outcome: Outcome): Promise<Outcome> {
    const { answer } = outcome;
    // Counted ids are the local rendering already.
    if (answer === undefined || answer.counted === true) return outcome;
    const found = await this.prompts.compare(turn.messages, turn.tools, answer.promptIds);
    if (found.kind === "equal") {
      this.statistics.compared += 1;
      return outcome;
    }
    const where = `dialogue ${turn.about.dialogue}, turn ${turn.about.turn}`;
    if (found.kind === "different") {
      this.statistics.differed(server.name);
      const trouble = `it renders ${where} ${found.objection.trouble}`;
      // The history grows when the dialogue goes on elsewhere.
      const asked = { ...turn, messages: [...turn.messages] };
      const proof = (client: ServerClient, probe: Probe): Promise<Inspection | undefined> =>
        this.askAgain(asked, client, probe);
      this.pool.refuse(server, { ...found.objection, trouble }, proof);
      return { verdict: { kind: "transient", reason: "prompt-differs", message: trouble } };
    }
    if (this.statistics.notRenderedFor(found.reason)) {
      const words = "a prompt that cannot be rendered here is not compared; the server is asked a probe instead";
      this.note("warn", `${where}: ${words}: ${found.reason}: ${found.message}`);
    }
    if (await this.pool.confirmRendering(server)) return outcome;
    const message = `${server.name} could not prove that it renders prompts as before`;
    return { verdict: { kind: "transient", reason: "prompt-differs", message } };
  }

  /** The question whose prompt differed, for a server that is to get work again. @returns undefined where it is equal now */
  private async askAgain(turn: AskedTurn, client: ServerClient, probe: Probe): Promise<Inspection | undefined> {
    const question = { ...turn.question, maxTokens: 1 };
    const rules = { special: probe.special, loops: undefined };
    const { verdict, answer } = await ask(client, question, probe.idSource, rules, PROBE_TIMEOUT_MS);
    const { dialogue, turn: index } = turn.about;
    if (answer === undefined) {
      const message = "message" in verdict ? verdict.message : verdict.kind;
      const trouble = `it does not answer dialogue ${dialogue}, turn ${index}, whose prompt it rendered wrongly: ${message}`;
      if (verdict.kind === "transient") return { state: "away", trouble };
      return { state: "unfit", trouble, hint: "look at the server's log, or restart it" };
    }
    const found = await this.prompts.compare(turn.messages, turn.tools, answer.promptIds);
    if (found.kind !== "different") return undefined;
    const trouble = `asked again, it renders dialogue ${dialogue}, turn ${index} ${found.objection.trouble}`;
    return { state: "unfit", ...found.objection, trouble };
  }
}
