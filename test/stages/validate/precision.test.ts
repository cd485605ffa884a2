/** validate compares the precision of a server with the snapshot that training will load: real servers, and settings that one claims. */
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { stage } from "../../../src/stages/validate/index.js";
import { type RunningServer, startServer } from "../../../src/trainer-process/index.js";
import { findReference, TINY_GUI } from "../../tokens/reference.js";
import { Workbench } from "../tokenize/workbench.js";
import { type IdlessProxy, startIdlessProxy } from "./idless-proxy.js";
import { otherModel } from "./other-server.js";

const found = await findReference();
const missing = "missing" in found ? found.missing : null;

describe.skipIf(missing !== null)(
  `the precision of a server${missing === null ? "" : ` (skipped: ${missing})`}`,
  () => {
    let bench: Workbench;
    let float32: RunningServer;
    let float16: RunningServer;
    let proxy: IdlessProxy;
    beforeAll(async () => {
      bench = await Workbench.open();
      [float32, float16] = await Promise.all([
        startServer({ model: TINY_GUI, threads: 1 }),
        startServer({ model: TINY_GUI, threads: 1, dtype: "float16" }),
      ]);
      proxy = await startIdlessProxy(float32.url);
      proxy.keepIds = true;
    }, 240_000);
    afterAll(async () => {
      await proxy?.close();
      await float32?.stop();
      await float16?.stop();
      await bench?.close();
    });

    const validate = (options: object) => bench.run(stage, { model: TINY_GUI, server: float32.url, ...options }, {});
    const claiming = async (settings: Record<string, unknown>, options: object = {}) => {
      proxy.settings = settings;
      return validate({ server: proxy.url, ...options });
    };
    /** The embedded target, whose config.json says something else about its weights. */
    const snapshot = (changes: Record<string, unknown>) =>
      otherModel(bench.root, [["config.json", "{", `{${JSON.stringify(changes).slice(1, -1)},`]]);
    const QUANTIZED = {
      quantization_config: {
        quant_method: "fp8",
        fmt: "e4m3",
        activation_scheme: "dynamic",
        weight_block_size: [128, 128],
      },
    };

    it("passes where the server computes with the snapshot's numbers, or with more digits", async () => {
      const { manifest, path } = await validate({});
      expect(manifest.counts).toMatchObject({ errors: 0, warnings: 0 });
      const report = JSON.parse(await readFile(join(path, "report.json"), "utf8")) as { checks: object[] };
      expect(report.checks).toContainEqual(expect.objectContaining({ check: "precision", state: "ok", looked: 3 }));
    });

    it("fails for a server that was started in another number format", async () => {
      await expect(validate({ server: float16.url })).rejects.toMatchObject({
        code: "VALIDATION_FAILED",
        message: expect.stringMatching(
          /the server computes in float16, which rounds the bfloat16 weights of .*tiny-gui/,
        ),
        location: { field: "dtype" },
        hint: expect.stringContaining("allowPrecision"),
      });
      const { manifest } = await validate({ server: float16.url, allowPrecision: ["dtype"] });
      expect(manifest.counts).toMatchObject({ errors: 0, warnings: 1 });
    });

    it.each([
      [{ quantization: "fp8" }, "quantization", /the server has fp8 weights, .*tiny-gui plain weights/],
      [{ quantization: "awq_marlin" }, "quantization", /awq_marlin weights/],
      [{ kv_cache_dtype: "fp8_e5m2" }, "kv_cache_dtype", /keeps keys and values as fp8_e5m2/],
      [{ kv_cache_dtype: "fp4_e2m1" }, "kv_cache_dtype", /keeps keys and values as fp4_e2m1/],
      [{ dtype: "half" }, "dtype", /computes in float16, which rounds the bfloat16/],
    ])("fails for a server that says %j", async (settings, field, message) => {
      await expect(claiming(settings)).rejects.toMatchObject({
        message: expect.stringMatching(message),
        location: { field },
      });
      await expect(claiming(settings, { allowPrecision: [field] })).resolves.toMatchObject({
        manifest: { counts: { errors: 0, warnings: 1 } },
      });
    });

    it.each([
      [{ kv_cache_dtype: "auto", dtype: "auto", quantization: null }],
      [{ kv_cache_dtype: "bfloat16", dtype: "bfloat16" }],
      [{ kv_cache_dtype: "bf16" }],
    ])("passes for a server that says %j", async (settings) => {
      await expect(claiming(settings)).resolves.toMatchObject({ manifest: { counts: { errors: 0, warnings: 0 } } });
    });

    it("fails where training would load quantized weights and the server has plain ones", async () => {
      const model = await snapshot(QUANTIZED);
      await expect(validate({ model })).rejects.toMatchObject({
        message: expect.stringMatching(/the server has plain weights, .* fp8 weights/),
        location: { field: "quantization" },
      });
      // A server elsewhere, whose snapshot cannot be seen, says so itself.
      await expect(
        claiming({ quantization: "fp8", model_path: "/elsewhere/tiny-gui" }, { model }),
      ).resolves.toBeDefined();
    });

    it("knows that dtype auto serves a float32 snapshot as float16", async () => {
      const model = await otherModel(bench.root, [
        ["config.json", '"dtype": "bfloat16"', '"dtype": "float32"'],
        ["config.json", '"dtype": "bfloat16"', '"dtype": "float32"'],
      ]);
      await expect(claiming({ dtype: "auto", model_path: "/elsewhere/x" }, { model })).rejects.toMatchObject({
        message: expect.stringMatching(
          /the server computes in float16 \(its dtype is auto\), which rounds the float32/,
        ),
      });
      await expect(validate({ model })).resolves.toBeDefined();
    });
  },
);
