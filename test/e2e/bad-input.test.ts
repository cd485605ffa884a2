/** What a user gets wrong, through the real command line: one clear error each, and a stable exit code. */
import { cpSync, mkdirSync, writeFileSync } from "node:fs";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import sharp from "sharp";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { scratchDirectory } from "../scratch/scratch.js";
import { type Finished, ROOT, run } from "./cli.js";

const root = scratchDirectory("bad");
const images = join(root, "images");
const good = join(root, "dialogues");
let otherModel: Server;

/** A dialogue whose user turn shows one picture. */
function withPicture(id: string, url: string): object {
  const content = [
    { type: "image_url", image_url: { url } },
    { type: "text", text: "Click Save." },
  ];
  return {
    id,
    messages: [
      { role: "user", content },
      { role: "assistant", content: "Done." },
    ],
  };
}

function jsonl(name: string, rows: object[]): string {
  const path = join(root, name);
  writeFileSync(path, rows.map((row) => `${JSON.stringify(row)}\n`).join(""));
  return path;
}

function importOf(source: string, out: string): Promise<Finished> {
  return run(["import", "--source", source, "--image-roots", images, "--out", join(root, out)]);
}

function pipeline(name: string, text: string): Promise<Finished> {
  const path = join(root, name);
  writeFileSync(path, text);
  return run(["run", path, "--workspace", join(root, `${name}-workspace`)]);
}

beforeAll(async () => {
  mkdirSync(images);
  const png = await sharp({ create: { width: 64, height: 64, channels: 3, background: "#08f" } })
    .png()
    .toBuffer();
  writeFileSync(join(images, "whole.png"), png);
  writeFileSync(join(images, "cut.png"), png.subarray(0, png.length - 20));
  writeFileSync(join(root, "outside.png"), png);
  const imported = await importOf(jsonl("good.jsonl", [withPicture("d1", "whole.png")]), "dialogues");
  expect(imported.code, imported.stderr).toBe(0);
  // A server that is well and serves something else: the network's edge is the only thing replaced here.
  otherModel = createServer((request, response) => {
    response.setHeader("content-type", "application/json");
    if (request.url === "/v1/models")
      response.end('{"object":"list","data":[{"id":"another-model","max_model_len":4096}]}');
    else if (request.url === "/health") response.end();
    else response.end('{"model_path":"/models/another-model","served_model_name":"another-model","version":"0.5.23"}');
  });
  await new Promise<void>((resolve) => otherModel.listen(0, "127.0.0.1", resolve));
}, 120_000);

afterAll(() => {
  otherModel.close();
});

describe("a pipeline file", () => {
  it("with an unknown key names line and column and the key that was meant", async () => {
    const { code, stderr } = await pipeline("key.yaml", "name: x\nsteps:\n  raw:\n    uses: demo-data\n    wiht: {}\n");
    expect(code).toBe(3);
    expect(stderr).toContain("PIPELINE_INVALID");
    expect(stderr).toMatch(/key\.yaml:5:5/);
    expect(stderr).toContain("with");
  });

  it("with an option of a wrong type names the option and what was expected", async () => {
    const text = "name: x\nsteps:\n  raw:\n    uses: demo-data\n    with: { dialogues: many }\n";
    const { code, stderr } = await pipeline("type.yaml", text);
    expect(code).toBe(3);
    expect(stderr).toMatch(/type\.yaml:5:\d+ .*dialogues/);
    expect(stderr).toContain("number");
  });
});

describe("a dialogue", () => {
  const cases: [string, object, string][] = [
    ["whose picture is missing", withPicture("m", "nowhere.png"), "image-missing"],
    ["whose picture is cut short", withPicture("t", "cut.png"), "image-corrupt"],
    ["whose picture lies outside the roots", withPicture("o", "../outside.png"), "image-outside-root"],
    [
      "that starts with the assistant",
      {
        id: "a",
        messages: [
          { role: "assistant", content: "Hello." },
          { role: "user", content: "Hi." },
        ],
      },
      "starts-with-assistant",
    ],
  ];
  it.each(cases)("%s is rejected with its reason, and an import of nothing else fails", async (name, row, reason) => {
    const { code, stderr } = await importOf(jsonl(`${reason}.jsonl`, [row]), `out-${reason}`);
    expect(code, name).toBe(16);
    expect(stderr).toContain("DATA_EMPTY");
    expect(stderr).toContain(reason);
  });
});

describe("a server", () => {
  function regenerate(url: string, out: string): Promise<Finished> {
    const model = ["--expect-model", "tiny-gui"];
    return run(["regenerate", "--in", `dialogues=${good}`, "--servers", url, ...model, "--out", join(root, out)]);
  }

  it("that is down is named with its address", async () => {
    const { code, stderr } = await regenerate("http://127.0.0.1:9", "down");
    expect(code).toBe(7);
    expect(stderr).toContain("SERVER_UNREACHABLE");
    expect(stderr).toContain("127.0.0.1:9");
  });

  it("with another model is refused, and both names are told", async () => {
    const { port } = otherModel.address() as AddressInfo;
    const { code, stderr } = await regenerate(`http://127.0.0.1:${port}`, "other");
    expect(code).toBe(8);
    expect(stderr).toContain("SERVER_REFUSED");
    expect(stderr).toContain("another-model");
    expect(stderr).toContain("tiny-gui");
  });
});

describe("a model directory", () => {
  it("without a tokenizer is refused by the name of the file", async () => {
    const model = join(root, "model");
    cpSync(join(ROOT, "fixtures", "tiny-gui"), model, {
      recursive: true,
      filter: (path) => !path.endsWith("tokenizer.json") && !path.endsWith(".safetensors"),
    });
    const out = join(root, "no-tokenizer");
    const { code, stderr } = await run(["validate", "--in", `dialogues=${good}`, "--model", model, "--out", out]);
    expect(code).toBe(6);
    expect(stderr).toContain("MODEL_INVALID");
    expect(stderr).toContain("tokenizer.json");
  });
});

describe("a Python", () => {
  it("without torch is refused before anything starts", async () => {
    const { execFileSync } = await import("node:child_process");
    const venv = join(root, "bare");
    execFileSync("python3", ["-m", "venv", "--without-pip", venv]);
    const python = join(venv, "bin", "python");
    const { code, stderr } = await run([
      "demo-data",
      "--dialogues",
      "1",
      "--python",
      python,
      "--out",
      join(root, "raw"),
    ]);
    expect(code).toBe(11);
    expect(stderr).toContain("lacks torch");
  });
});
