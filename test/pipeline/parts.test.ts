/** The parts that runs are made of, each by itself. */
import { mkdirSync, symlinkSync, writeFileSync } from "node:fs";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import fc from "fast-check";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { contentOf, HashCache } from "../../src/pipeline/content.js";
import { CycleError, topologicalOrder } from "../../src/pipeline/graph.js";
import { findReferences, parseStepName, substitute } from "../../src/pipeline/references.js";
import { external } from "../../src/pipeline/services/external.js";
import { nearest } from "../../src/pipeline/suggest.js";
import { Bench } from "./bench.js";

const refuse = (_place: unknown, message: string): Error => new Error(message);

describe("references", () => {
  const values: Record<string, unknown> = { n: 3, flag: true, list: ["a", "b"], text: "x" };
  const replace = (value: unknown) =>
    substitute(value, [], (reference) => (reference.kind === "vars" ? values[reference.name] : undefined), refuse);

  it("keep the type of a value that stands alone, and spell it out inside text", () => {
    expect(replace({ a: "${vars.n}", b: "n=${vars.n}, ${vars.flag}", c: ["${vars.flag}"] })).toEqual({
      a: 3,
      b: "n=3, true",
      c: [true],
    });
  });

  it("splice a list into a list, but not a list that was written as one", () => {
    expect(replace({ a: ["${vars.list}", "c"], b: "${vars.list}", c: [["x"]] })).toEqual({
      a: ["a", "b", "c"],
      b: ["a", "b"],
      c: [["x"]],
    });
  });

  it("refuse a list inside text, an open brace and unknown words", () => {
    expect(() => replace("x ${vars.list}")).toThrow("is not a single value");
    expect(() => replace("x ${vars.n")).toThrow("is not closed");
    for (const text of ["${}", "${n}", "${vars}", "${services.x}", "${steps.}", "${process.exit()}"]) {
      expect(() => replace(text)).toThrow("is not a reference");
    }
  });

  it("leave every text without a reference alone, and $${ stands for ${", () => {
    expect(replace("$${vars.n} costs $5")).toBe("${vars.n} costs $5");
    fc.assert(
      fc.property(fc.jsonValue(), (value) => {
        fc.pre(!JSON.stringify(value).includes("${"));
        expect(replace(value)).toEqual(value);
      }),
      { seed: 21 },
    );
  });

  it("know steps with selectors, and tell them from paths", () => {
    const [found] = findReferences("${steps.train[lr=0.001]}/best.json", ["with"], refuse);
    expect(found?.reference).toEqual({ kind: "steps", name: "train", selector: "lr=0.001" });
    expect(parseStepName("train[lr=0.001]")).toEqual({ name: "train", selector: "lr=0.001" });
    expect(parseStepName("train[path=a/b]")).toEqual({ name: "train", selector: "path=a/b" });
    for (const path of ["./train", "../x", "/abs", "a/b"]) expect(parseStepName(path)).toBeUndefined();
  });
});

describe("guesses", () => {
  it.each([
    ["imprt", "import"],
    ["Import", "import"],
    ["maxStpes", "maxSteps"],
    ["rnu", "run"],
  ])("%s is %s", (word, meant) => {
    expect(nearest(word, ["import", "export", "maxSteps", "run", "why"])).toBe(meant);
  });

  it("are not made from far away", () => {
    expect(nearest("banana", ["import", "run"])).toBeUndefined();
    expect(nearest("x", [])).toBeUndefined();
  });
});

describe("order", () => {
  it("names the steps along a cycle", () => {
    const nodes = [
      { name: "a", after: ["b"] },
      { name: "b", after: ["c"] },
      { name: "c", after: ["b"] },
    ];
    expect(() => topologicalOrder(nodes)).toThrow(CycleError);
    expect(() => topologicalOrder(nodes)).toThrow("b -> c -> b");
  });
});

describe("content", () => {
  let bench: Bench;
  beforeEach(() => {
    bench = new Bench();
    bench.write("model/config.json", "{}");
    bench.write("model/parts/a.bin", "a");
  });
  afterEach(() => bench.remove());

  const content = async () => contentOf(bench.path("model"), await HashCache.load());

  it("of a directory is its files, links followed, without READMEs and hidden files", async () => {
    const before = await content();
    bench.write("model/README.md", "about");
    bench.write("model/.cache/x", "x");
    expect(await content()).toEqual(before);
    bench.write("model/parts/b.bin", "b");
    expect(await content()).not.toEqual(before);
  });

  it("does not change with the place, and a linked tree counts like a copy", async () => {
    mkdirSync(bench.path("linked"));
    symlinkSync(bench.path("model/config.json"), bench.path("linked/config.json"));
    symlinkSync(bench.path("model/parts"), bench.path("linked/parts"));
    // A link back to the top must not send us round in circles.
    symlinkSync(bench.path("linked"), bench.path("linked/again"));
    expect(await contentOf(bench.path("linked"), await HashCache.load())).toEqual(await content());
  });

  it("is listed up to 256 files and summed up beyond", async () => {
    for (let k = 0; k < 300; k += 1) bench.write(`model/${k}.bin`, String(k));
    const before = await content();
    expect(before).toEqual({ directory: 302, sha256: expect.stringMatching(/^[0-9a-f]{64}$/) as string });
    bench.write("model/7.bin", "8");
    expect(await content()).not.toEqual(before);
  });

  it("is remembered between runs, until the file changes", async () => {
    const file = bench.path("hashes.json");
    const cache = await HashCache.load(file);
    const { sha256 } = await cache.file(bench.path("model/config.json"));
    await cache.save();
    const stored = bench.read("hashes.json").replace(sha256, "f".repeat(64));
    writeFileSync(file, stored);
    const again = await HashCache.load(file);
    expect((await again.file(bench.path("model/config.json"))).sha256).toBe("f".repeat(64));
    expect((await again.file(bench.path("model/config.json"), true)).sha256).toBe(sha256);
    bench.write("model/config.json", "[]");
    expect((await again.file(bench.path("model/config.json"))).sha256).not.toBe(sha256);
    writeFileSync(file, "rubbish");
    await expect(HashCache.load(file)).resolves.toBeDefined();
  });
});

describe("an external service", () => {
  let server: Server;
  let url: string;
  let status = 200;
  let key: string | undefined;
  let asked = 0;
  beforeEach(async () => {
    key = undefined;
    asked = 0;
    server = createServer((request, response) => {
      asked += 1;
      const isKnown = key === undefined || request.headers.authorization === `Bearer ${key}`;
      response.statusCode = request.url === "/health" ? (isKnown ? status : 401) : 404;
      response.end();
    });
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  });
  afterEach(() => {
    server.closeAllConnections();
    server.close();
  });

  const start = (options: object, signal = new AbortController().signal) =>
    external.start(external.options.parse(options), {
      name: "target",
      log: "",
      events: { emit: () => undefined },
      signal,
    });

  it("is asked for its health and left running", async () => {
    status = 200;
    const running = await start({ urls: [url, url] });
    expect(running.properties).toEqual({ url, urls: [url, url] });
    await running.stop();
    expect((await fetch(`${url}/health`)).ok).toBe(true);
  });

  it("that is not ready is named with the reason", async () => {
    status = 503;
    await expect(start({ url })).rejects.toMatchObject({
      code: "SERVER_UNREACHABLE",
      message: `${url} is not ready: /health answers 503`,
    });
    await expect(start({ url: "http://127.0.0.1:9" })).rejects.toMatchObject({
      code: "SERVER_UNREACHABLE",
      message: expect.stringMatching(/ECONNREFUSED|bad port/) as string,
    });
  });

  describe("with an API key", () => {
    afterEach(() => {
      delete process.env.DRAFTSMITH_TEST_KEY;
    });

    it("gets the key that apiKeyEnv names", async () => {
      status = 200;
      key = "right";
      process.env.DRAFTSMITH_TEST_KEY = "right";
      await expect(start({ url, apiKeyEnv: "DRAFTSMITH_TEST_KEY" })).resolves.toBeDefined();
    });

    it.each([
      [undefined, undefined, "name that variable in apiKeyEnv"],
      ["wrong", "DRAFTSMITH_TEST_KEY", "refuses the key in the environment variable DRAFTSMITH_TEST_KEY (apiKeyEnv)"],
    ])("says at once what to do about a 401 (key: %s)", async (own, apiKeyEnv, words) => {
      key = "right";
      if (own !== undefined) process.env.DRAFTSMITH_TEST_KEY = own;
      await expect(start(apiKeyEnv === undefined ? { url } : { url, apiKeyEnv })).rejects.toMatchObject({
        code: "SERVER_REFUSED",
        hint: expect.stringContaining(words) as string,
      });
      expect(asked).toBe(1);
    });

    it("is not asked while the variable is not set", async () => {
      await expect(start({ url, apiKeyEnv: "DRAFTSMITH_TEST_NO_SUCH_KEY" })).rejects.toMatchObject({
        code: "OPTIONS_INVALID",
        location: { field: "apiKeyEnv" },
      });
      expect(asked).toBe(0);
    });
  });

  it("does not hold up Ctrl-C", async () => {
    status = 503;
    const controller = new AbortController();
    setTimeout(() => controller.abort(), 50);
    await expect(start({ url }, controller.signal)).rejects.toMatchObject({ code: "INTERRUPTED" });
  });

  it("takes one address or several", () => {
    expect(external.options.safeParse({}).success).toBe(false);
    expect(external.options.safeParse({ url, urls: [url] }).success).toBe(false);
  });
});
