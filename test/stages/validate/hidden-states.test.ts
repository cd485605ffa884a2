/** validate --states: the states of a real server against those that training captures, equal and not. */
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { listFiles, openArtifact } from "../../../src/artifacts/index.js";
import { MalformedStates, parseStates, stateLayersOf } from "../../../src/sglang/index.js";
import type { InputArtifact } from "../../../src/stages/stage.js";
import { stage } from "../../../src/stages/validate/index.js";
import { type RunningServer, startServer } from "../../../src/trainer-process/index.js";
import { findReference, TINY_GUI } from "../../tokens/reference.js";
import { declare, SYSTEM, Workbench } from "../tokenize/workbench.js";
import { type IdlessProxy, startIdlessProxy } from "./idless-proxy.js";

const found = await findReference();
const missing = "missing" in found ? found.missing : null;
const LAYERS = [3, 5, 6];
/** Real rows of the embedded target with their pictures, in the older layout. */
const OLD_SHARDS = join(import.meta.dirname, "..", "shard", "old_shards");
/** Loading torch and the target on a busy machine. */
const SLOW = { timeout: 120_000 };

describe.skipIf(missing !== null)(`hidden states${missing === null ? "" : ` (skipped: ${missing})`}`, () => {
  let bench: Workbench;
  let server: RunningServer;
  let proxy: IdlessProxy;
  let shards: InputArtifact;
  beforeAll(async () => {
    bench = await Workbench.open();
    shards = await openArtifact(OLD_SHARDS, "shards");
    server = await startServer({ model: TINY_GUI, threads: 1, hiddenStates: LAYERS });
    proxy = await startIdlessProxy(server.url);
    proxy.keepIds = true;
  }, 240_000);
  afterAll(async () => {
    await proxy?.close();
    await server?.stop();
    await bench?.close();
  });

  const validate = (options: object, inputs: { shards?: InputArtifact } = { shards }) =>
    bench.run(
      stage,
      { model: TINY_GUI, systemPrompt: declare(SYSTEM), server: server.url, serverSample: 0, states: true, ...options },
      inputs,
    );

  it("that the server returns are those that training captures, with images", SLOW, async () => {
    const { manifest, path, resumeDir } = await validate({});
    expect(manifest.counts).toMatchObject({ errors: 0 });
    const { checks } = JSON.parse(await readFile(join(path, "report.json"), "utf8")) as { checks: object[] };
    expect(checks).toContainEqual(
      expect.objectContaining({ check: "hidden-states", state: "ok", looked: LAYERS.length }),
    );
    expect(await listFiles(resumeDir)).toEqual([]);
  });

  it("of other layers than the server says are refused, and named", SLOW, async () => {
    proxy.settings = { return_aux_hidden_state_layer_ids: [3, 5, 5] };
    await expect(validate({ server: proxy.url })).rejects.toMatchObject({
      code: "VALIDATION_FAILED",
      message: expect.stringMatching(
        /states that the server returns for layer 5 differ from the captured ones by [\d.]+ %, more than 0.1 %; they are nearest to those of layer 6 \([\d.e-]+ %\)/,
      ),
    });
    await expect(validate({ server: proxy.url, statesTolerance: 1 })).resolves.toBeDefined();
  });

  it("of layers that the target lacks are refused", SLOW, async () => {
    proxy.settings = { return_aux_hidden_state_layer_ids: [3, 5, 99] };
    await expect(validate({ server: proxy.url })).rejects.toMatchObject({
      message: expect.stringContaining("layer 99"),
    });
  });

  it("of another precision are refused unless it is said to be close enough", SLOW, async () => {
    const rounded = await startServer({ model: TINY_GUI, threads: 1, hiddenStates: LAYERS, dtype: "bfloat16" });
    try {
      await expect(validate({ server: rounded.url, statesTolerance: 1e-3 })).rejects.toMatchObject({
        message: expect.stringMatching(/differ from the captured ones by [\d.]+ %, more than 0.1 %$|\(and \d more\)$/),
      });
      await expect(validate({ server: rounded.url })).resolves.toBeDefined();
    } finally {
      await rounded.stop();
    }
  });

  it("need a server that returns them, and shards", SLOW, async () => {
    proxy.settings = { enable_return_aux_hidden_states: false };
    await expect(validate({ server: proxy.url })).rejects.toMatchObject({
      code: "SERVER_REFUSED",
      hint: expect.stringContaining("--enable-return-aux-hidden-states"),
    });
    await expect(validate({}, {})).rejects.toMatchObject({ code: "INPUT_MISSING", location: { field: "in.shards" } });
  });
});

describe("an answer with states", () => {
  const body = (hidden: unknown) => Buffer.from(JSON.stringify({ text: "", meta_info: { hidden_states: hidden } }));

  it("is read whole, in pieces, and without the rows of further tokens", () => {
    const prompt = [
      [1, 2.5],
      [-3, 4],
    ];
    expect([...parseStates(body([prompt]), 2)]).toEqual([1, 2.5, -3, 4]);
    expect([...parseStates(body([[prompt[0]], [prompt[1]]]), 2)]).toEqual([1, 2.5, -3, 4]);
    expect([...parseStates(body([prompt, [9, 9]]), 2)]).toEqual([1, 2.5, -3, 4]);
  });

  it.each([
    [[[[1, 2]]], /states of 1 tokens, the prompt has 2: is its prefix cache on/],
    [[[[1], [2], [3]]], /states of 3 tokens/],
    [[[[1, 2], [3]]], /token 1 are not 2 numbers/],
    [
      [
        [
          [1, 2],
          [3, null],
        ],
      ],
      /something else than numbers/,
    ],
    [undefined, /states of 0 tokens/],
    ["text", /states of 0 tokens/],
  ])("like %j is refused", (hidden, message) => {
    expect(() => parseStates(body(hidden), 2)).toThrow(message);
    expect(() => parseStates(body(hidden), 2)).toThrow(MalformedStates);
  });

  it("comes only from servers that name its layers", () => {
    const on = { enable_return_aux_hidden_states: true };
    expect(stateLayersOf({ ...on, return_aux_hidden_state_layer_ids: [3, 12] })).toEqual([3, 12]);
    for (const layers of [null, [], ["3"], [-1], [1.5], 3]) {
      expect(stateLayersOf({ ...on, return_aux_hidden_state_layer_ids: layers })).toBeUndefined();
    }
    expect(stateLayersOf({ return_aux_hidden_state_layer_ids: [3] })).toBeUndefined();
  });
});
