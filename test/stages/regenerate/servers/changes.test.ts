/** Servers that come, drain, leave and return while a run goes on. */
import { writeFile } from "node:fs/promises";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { ServerClient } from "../../../../src/sglang/index.js";
import { regenerateOptionsSchema } from "../../../../src/stages/regenerate/options.js";
import { expectedLoad, parseServersFile } from "../../../../src/stages/regenerate/servers/server-list.js";
import { ServerListWatcher } from "../../../../src/stages/regenerate/servers/server-list-watcher.js";
import { closingStubs } from "../../../sglang-client/closing-stubs.js";
import { dialogues, type RunResult, runStage, temporaryDirectory, writeArtifact } from "../harness.js";

const { stubOf } = closingStubs();

const notesOf = ({ events }: RunResult): string =>
  events.flatMap((event) => (event.type === "log" ? [event.message] : [])).join("\n");
const until = async (condition: () => boolean): Promise<void> => {
  while (!condition()) await new Promise((resolve) => setTimeout(resolve, 2));
};
const QUICK = { serversReloadSeconds: 0.03, healthSeconds: 0.05, concurrency: 3 };

describe("a servers file", () => {
  const parse = (text: string) => parseServersFile(text, "servers.txt", 16);

  it("is lines, YAML or JSON, with comments and a concurrency of its own", () => {
    const wanted = [
      { url: "http://a:30000", concurrency: 16 },
      { url: "http://b:30000/gate", concurrency: 32 },
      { url: "http://c:1", concurrency: "auto" },
    ];
    const lines =
      "# rack 3\nhttp://a:30000   # first\r\n\nhttp://b:30000/gate 32\nhttp://c:1 auto\nhttp://a:30000/ 5\n";
    expect(parse(lines)).toEqual(wanted);
    const yaml =
      "# rack 3\n- http://a:30000 # first\n- {url: http://b:30000/gate, concurrency: 32}\n- url: http://c:1\n  concurrency: auto\n";
    expect(parse(yaml)).toEqual(wanted);
    expect(parse(JSON.stringify(["http://a:30000", wanted[1], wanted[2]]))).toEqual(wanted);
  });

  it.each([
    ["", "names no server"],
    ["# nothing but words\n", "names no server"],
    ["http://a:1\nhttp:/", "is no address"],
    ["http://a:1 many", "is no address"],
    ["http://a:1 0", "is no address"],
    ["http://a:1 2 3", "more than an address"],
    ["ftp://a:1", "is no address"],
    ['["http://a:1", ', "not a YAML list"],
    ["- http://a:1\n- [", "not a YAML list"],
    ["- {url: http://a:1, speed: 3}", "is no address"],
    ["- &a http://a:1\n- *a\n", "no aliases"],
    ["http://me:100%@a:1", "is no address"],
    ["- {url: 'http://me%zz:x@a:1'}", "is no address"],
  ])("is refused as %j", (text, words) => {
    expect(() => parse(text)).toThrow(words);
  });

  it("does not show credentials of an entry that is wrong", () => {
    expect(() => parse("http://me:secret@a:1 x")).toThrow(/^(?!.*secret)/);
  });

  it("never throws anything but the error for users", () => {
    fc.assert(
      fc.property(fc.string({ unit: "grapheme", maxLength: 60 }), (text) => {
        try {
          expect(parse(text).length).toBeGreaterThan(0);
        } catch (error) {
          expect(error).toHaveProperty("code", "INPUT_INVALID");
        }
      }),
    );
  });

  it("stands instead of servers, not beside it", () => {
    const ok = (options: object): boolean => regenerateOptionsSchema.safeParse(options).success;
    expect(ok({})).toBe(false);
    expect(ok({ serversFile: "f" })).toBe(true);
    expect(ok({ serversFile: "f", servers: ["http://a:1"] })).toBe(false);
    expect(ok({ servers: [{ url: "http://a:1", concurrency: "auto" }, "http://b:1"], concurrency: 3 })).toBe(true);
  });

  it("counts in estimates", async () => {
    const servers = ["http://a:1", { url: "http://b:1", concurrency: 5 }];
    const load = await expectedLoad(regenerateOptionsSchema.parse({ servers, concurrency: 3 }));
    expect(load).toEqual({ inFlight: 8, words: "2 server(s), 8 dialogues in flight" });
    const later = await expectedLoad(regenerateOptionsSchema.parse({ serversFile: "/nowhere/servers.txt" }));
    expect(later.words).toContain("not usable yet");
  });
});

describe("looking at the file", () => {
  it("ends the run, not the process, where something else than the file is wrong; a list counts once it is taken", async () => {
    const path = join(await temporaryDirectory(), "servers.txt");
    const [failures, taken, notes]: [Error[], string[][], string[]] = [[], [], []];
    const listWatcher = new ServerListWatcher(
      { path, concurrency: 3, everyMs: 5 },
      {
        note: (_level, message) => notes.push(message),
        failed: (error) => failures.push(error),
        changed: (servers) => {
          if (failures.length === 0) throw new TypeError("a bug");
          taken.push(servers.map(({ url }) => url));
        },
      },
    );
    await until(() => notes.length > 0);
    expect(notes).toEqual([expect.stringContaining("not usable, the servers stay as they are")]);
    await writeFile(path, "http://a:1\n");
    await until(() => taken.length > 0);
    listWatcher.close();
    expect(failures).toEqual([new TypeError("a bug")]);
    // Of the same text: the first attempt did not count.
    expect(taken).toEqual([["http://a:1"]]);
  });
});

describe("during a run", () => {
  it("one that is slow to say whether it is ready is asked once at a time", async () => {
    const slow = await stubOf({ delayMs: () => 10, ready: 200, readyDelayMs: 150 });
    const input = await writeArtifact(await temporaryDirectory(), dialogues(120));
    await runStage({ input, options: { servers: [slow.url], ...QUICK, healthSeconds: 0.01 } });
    expect(slow.readyAsked).toBeGreaterThan(2);
    expect(slow.maxReadyInFlight).toBe(1);
  });

  it("servers join, leave when their dialogues are done, and return; broken lists change nothing", async () => {
    const directory = await temporaryDirectory();
    const file = join(directory, "servers.txt");
    const delayMs = (): number => 6;
    const [one, two, unfit] = [
      await stubOf({ delayMs }),
      await stubOf({ delayMs }),
      await stubOf({ delayMs, modelInfo: { model_path: "/models/other" } }),
    ];
    await writeFile(file, `${one.url}\n`);
    const input = await writeArtifact(join(directory, "in"), dialogues(400));
    let isOver = false;
    const running = runStage({ input, options: { serversFile: file, ...QUICK } }).finally(() => {
      isOver = true;
    });
    const reached = async (condition: () => boolean): Promise<void> => {
      await until(() => isOver || condition());
      expect(isOver).toBe(false);
    };
    await reached(() => one.requests.length > 5);
    await writeFile(file, `${one.url}\n${two.url}\n${unfit.url}\n`);
    await reached(() => two.requests.length > 10);
    await writeFile(file, `${two.url}\nhttp://me:100%@127.0.0.1:9\n`);
    await new Promise((resolve) => setTimeout(resolve, 150));
    const before = one.requests.length;
    await reached(() => one.requests.length > before + 5);
    await writeFile(file, `${two.url}\n`);
    // A server with nothing left to do closes its connections for posts.
    let quiet = one.requests.length;
    for (let same = 0; same < 10; same = one.requests.length === quiet ? same + 1 : 0) {
      quiet = one.requests.length;
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
    await writeFile(file, `${two.url}\n${one.url}\n`);
    await reached(() => one.requests.length > quiet + 5);
    const result = await running;
    const notes = notesOf(result);
    expect(notes).toContain(`${two.url} joins the run`);
    expect(notes).toMatch(new RegExp(`${unfit.url} is unfit and gets no work: .*model is "other", not "stub"`));
    expect(notes).toMatch(/not usable, the servers stay as they are: line 2/);
    expect(notes).toContain(`${one.url} is no longer on the list`);
    // Every question was asked once: nobody was torn from the server that left.
    const turns = result.rows.reduce((sum, row) => sum + row.turns.length, 0);
    const isProbe = (body: { max_tokens?: unknown }): boolean => body.max_tokens === 4;
    // Probes, and nothing else: one that was refused is looked at again now and then.
    expect(unfit.requests.length).toBeGreaterThan(0);
    expect(unfit.requests.filter((body) => !isProbe(body))).toEqual([]);
    const asked = [one, two].flatMap(({ requests }) => requests).filter((body) => !isProbe(body));
    expect(asked).toHaveLength(turns);
    const alone = await runStage({ input, options: { servers: [(await stubOf()).url] } });
    expect(result.generations).toBe(alone.generations);
  }, 60_000);

  it("one that answers 503 when asked whether it is ready gets no new dialogues and keeps its own", async () => {
    const directory = await temporaryDirectory();
    const delayMs = (): number => 8;
    const [one, two] = [await stubOf({ delayMs }), await stubOf({ delayMs })];
    const input = await writeArtifact(directory, dialogues(300));
    const running = runStage({ input, options: { servers: [one.url, two.url], ...QUICK } });
    await until(() => one.requests.length > 10);
    one.options.ready = 503;
    let still = -1;
    for (let same = 0; same < 10; same = one.requests.length === still ? same + 1 : 0) {
      still = one.requests.length;
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
    one.options.ready = 200;
    await until(() => one.requests.length > still + 5);
    const result = await running;
    expect(notesOf(result)).toContain(`${one.url} is draining and gets no new dialogues`);
    expect(notesOf(result)).toContain(`${one.url} takes new dialogues again`);
    for (const { requests } of [one, two]) {
      const names = new Set(requests.map((body) => /Dialogue \d+/.exec(JSON.stringify(body.messages))?.[0]));
      const others = one.requests === requests ? two : one;
      const there = new Set(others.requests.map((body) => /Dialogue \d+/.exec(JSON.stringify(body.messages))?.[0]));
      names.delete(undefined);
      // No dialogue moved: each was asked on one server only.
      expect([...names].filter((name) => there.has(name))).toEqual([]);
    }
  }, 60_000);

  it("takes no server that is starting or draining, and says so", async () => {
    const stub = await stubOf({ ready: 503 });
    const input = await writeArtifact(await temporaryDirectory(), dialogues(2));
    await expect(runStage({ input, options: { servers: [stub.url] } })).rejects.toMatchObject({
      code: "SERVER_UNREACHABLE",
      message: expect.stringContaining("starting or draining"),
    });
  });

  it("finds its own concurrency on a real server, and keeps to a server's own", async () => {
    const [auto, fixed] = [await stubOf({ delayMs: () => 3 }), await stubOf({ delayMs: () => 3 })];
    const input = await writeArtifact(await temporaryDirectory(), dialogues(1200));
    const servers = [auto.url, { url: fixed.url, concurrency: 2 }];
    await runStage({ input, options: { servers, concurrency: "auto", maxConcurrency: 24 } });
    // This server has no knee but the machine's; what counts is that slots were added, and no more than allowed.
    expect(auto.maxInFlight).toBeGreaterThan(4);
    expect(auto.maxInFlight).toBeLessThanOrEqual(24);
    expect(fixed.maxInFlight).toBeLessThanOrEqual(2);
  }, 60_000);
});

describe("whether a server is ready", () => {
  it("is asked at /ready, else at /health, and left open where neither says it", async () => {
    const answers: Record<string, number> = {};
    const server = createServer((request, response) => {
      response.writeHead(answers[request.url ?? ""] ?? 404).end();
    });
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    const client = new ServerClient(`http://127.0.0.1:${(server.address() as AddressInfo).port}`, { connections: 1 });
    expect(await client.isReady()).toBeUndefined();
    answers["/health"] = 200;
    expect(await client.isReady()).toBe(true);
    answers["/health"] = 503;
    expect(await client.isReady()).toBe(false);
    answers["/ready"] = 200;
    expect(await client.isReady()).toBe(true);
    answers["/ready"] = 401;
    expect(await client.isReady()).toBeUndefined();
    server.closeAllConnections();
    server.close();
    expect(await client.isReady()).toBeUndefined();
    await client.close();
  });
});
