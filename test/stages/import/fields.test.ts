/** What becomes of fields that carry no content, of numbers, and of images that ask for a size of their own. */
import { readFile, rm } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { makeWorld, picture, row, runStage, type World, writeRows } from "./world.js";

let world: World;
beforeAll(async () => {
  world = await makeWorld();
  await picture(join(world.images, "wide.png"), 1, 640, 320);
});
afterAll(() => rm(world.top, { recursive: true, force: true }));

describe("fields that nothing reads", () => {
  it("are counted by name in the manifest, in the summary and in a warning", async () => {
    const rows = ["a", "b", "c"].map((id) => ({
      ...row(id, "wide.png"),
      origin: "crawl",
      note: id === "a" ? 1 : null,
    }));
    await writeRows(world, rows);
    const { counts, facts, events } = await runStage(world, {});
    expect(counts.unreadFields).toEqual({ "row.note": 1, "row.origin": 3 });
    expect(facts.summary).toEqual([{ label: "fields not read", value: "row.origin (3 rows), row.note (1 row)" }]);
    expect(events).toContainEqual({
      type: "log",
      level: "warn",
      step: "import",
      message: "fields that nothing reads: row.origin (3 rows), row.note (1 row)",
    });
  });

  it("are not mentioned where there are none", async () => {
    await writeRows(world, [row("a", "wide.png")]);
    const { counts, facts, events } = await runStage(world, {});
    expect(counts).not.toHaveProperty("unreadFields");
    expect(facts).not.toHaveProperty("summary");
    expect(events.filter(({ type }) => type === "log")).toEqual([]);
  });

  it("stay few, however many names a hostile file has", async () => {
    const rows = Array.from({ length: 40 }, (_, at) => {
      const names = Array.from({ length: 50 }, (_, k) => [`field-${at}-${k}`, 1]);
      return { ...row(`r${at}`, "wide.png"), ...Object.fromEntries(names) };
    });
    await writeRows(world, rows);
    const { counts, facts } = await runStage(world, {});
    const names = Object.keys(counts.unreadFields as object);
    expect(names.length).toBeLessThanOrEqual(101);
    expect(names).toContain("(others)");
    expect(JSON.stringify(facts.summary).length).toBeLessThan(500);
  });
});

describe("numbers", () => {
  it("stand in dialogues.jsonl as they stood in the row", async () => {
    const tools =
      '[{"type":"function","function":{"name":"zoom","parameters":{"minimum":0.0,"maximum":1.50,"default":1e2}}}]';
    const call = '{"id":"c","name":"zoom","arguments":{"by":-0.0,"item":2512292042121000001}}';
    await writeRows(world, [
      `{"id": 2512292042121000001, "tools": ${tools}, "messages": [{"role":"user","content":"q"},{"role":"assistant","content":null,"tool_calls":[${call}]}]}`,
    ]);
    const { workDir } = await runStage(world, {});
    const line = await readFile(join(workDir, "dialogues.jsonl"), "utf8");
    expect(line).toContain(`"tools":${tools}`);
    expect(line).toContain(`"toolCalls":[${call}]`);
    expect(line).toMatch(/^\{"id":"2512292042121000001"/);
  });

  it("beyond the range of a double cost the row", async () => {
    await writeRows(world, [row("a", "wide.png"), '{"messages": [{"role":"user","content":"q"}], "size": 1e999}']);
    const { rejected } = await runStage(world, {});
    expect(rejected).toMatchObject([{ reason: "json-invalid", message: expect.stringContaining("1e999") }]);
  });
});

describe("an image that asks for its own size", () => {
  const asking = (id: string, size: object) => ({
    id,
    messages: [{ role: "user", content: [{ type: "image", image: "wide.png", ...size }] }],
  });
  const sizesOf = async (rows: object[], options: object) => {
    await writeRows(world, rows);
    const { dialogues, rejected } = await runStage(world, options);
    const sizes = dialogues.flatMap(({ messages }) => messages.flatMap(({ content }) => content));
    return { sizes: sizes.map((part) => (part.type === "image" ? [part.width, part.height] : [])), rejected };
  };

  it("gets it, within what the processor leaves alone", async () => {
    const rule = { resize: "fixed-point", factor: 32, minPixels: 64 * 64, maxPixels: 512 * 512 };
    const rows = [
      asking("plain", {}),
      asking("few", { max_pixels: 128 * 64 }),
      asking("many", { min_pixels: 900 * 900, max_pixels: 1000 * 1000 }),
      asking("set", { resized_height: 100, resized_width: 130 }),
      asking("again", { max_pixels: 128 * 64 }),
    ];
    const { sizes } = await sizesOf(rows, rule);
    expect(sizes).toEqual([
      [640, 320],
      [128, 64],
      // Scaled up as asked, and down again to what the run's rule allows.
      [704, 352],
      [128, 96],
      [128, 64],
    ]);
  });

  it("costs the row where no image is scaled", async () => {
    const { sizes, rejected } = await sizesOf([asking("plain", {}), asking("few", { max_pixels: 8192 })], {});
    expect(sizes).toEqual([[640, 320]]);
    expect(rejected).toMatchObject([{ id: "few", reason: "image-size-rule" }]);
    expect(rejected[0]?.message).toContain("fixed-point");
  });
});
