/** Plans whose steps disagree about a setting that they share, with the toolkit's own stages; nothing runs. */
import { cpSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { allStages, dryRun, formatDryRun, runPipeline, SERVICE_TYPES } from "../../src/pipeline/index.js";
import { TINY_GUI } from "../tokens/reference.js";
import { Bench } from "./bench.js";

let bench: Bench;
beforeEach(() => {
  bench = new Bench();
});
afterEach(() => bench.remove());

const real = { stages: allStages, services: SERVICE_TYPES };
const complaint = (yaml: string, more = {}): Promise<string> => bench.complaint(yaml, { ...real, ...more });
const plan = (yaml: string, more = {}) => {
  bench.write("p.yaml", yaml);
  return bench.plan({ ...real, ...more });
};

/** What a step of each stage needs apart from what a test is about; `with` is added to. */
function pipelineOf(steps: Record<string, string>, variables = ""): string {
  const known: Record<string, string> = {
    import: "import: {uses: import, with: {source: [./d.jsonl]WITH}}",
    regenerate: 'regenerate: {uses: regenerate, in: {dialogues: import}, with: {servers: ["http://127.0.0.1:9"]WITH}}',
    fixed: "fixed: {uses: tokenize, in: {dialogues: import}, with: {model: ./m, source: fixedWITH}}",
    tokenize: "tokenize: {uses: tokenize, in: {generations: regenerate}, with: {model: ./mWITH}}",
    shard: "shard: {uses: shard, in: {rows: tokenize, dialogues: import}}",
    train: "train: {uses: train, in: {shards: shard}, with: {model: ./mWITH}}",
    export: "export: {uses: export, in: {checkpoints: train}, with: {model: ./mWITH}}",
    validate: "validate: {uses: validate, in: {generations: regenerate}, with: {model: ./mWITH}}",
  };
  const lines = Object.entries(steps).map(([name, more]) => {
    const form = known[name] ?? more;
    return `  ${form.replace("WITH", more === "" || form === more ? "" : `, ${more}`)}`;
  });
  return ["name: p", ...(variables === "" ? [] : ["variables:", `  ${variables}`]), "steps:", ...lines, ""].join("\n");
}

describe("the system prompt", () => {
  it("is refused where only validate declares one, with both places and the variable's", async () => {
    const yaml = pipelineOf(
      { import: "", regenerate: "", validate: 'systemPrompt: "${vars.prompt}"' },
      "prompt: {policy: set, text: Act on the screen.}",
    );
    expect(await complaint(yaml)).toMatchInlineSnapshot(`
      "error PIPELINE_INVALID: regenerate and validate disagree about the system prompt: regenerate (p.yaml:6:65) keeps each dialogue's own (policy: keep), validate (p.yaml:7:94) wants "Act on the screen."
        at p.yaml:7:94 (steps.validate.with.systemPrompt)
        5 |   import: {uses: import, with: {source: [./d.jsonl]}}
        6 |   regenerate: {uses: regenerate, in: {dialogues: import}, with: {servers: ["http://127.0.0.1:9"]}}
        7 |   validate: {uses: validate, in: {generations: regenerate}, with: {model: ./m, systemPrompt: "\${vars.prompt}"}}
          |                                                                                              ^^^^^^^^^^^^^^^^
        \${vars.prompt} is set at p.yaml:3:11 (variables.prompt)
        regenerate, at p.yaml:6:65 (steps.regenerate.with.systemPrompt):
        4 | steps:
        5 |   import: {uses: import, with: {source: [./d.jsonl]}}
        6 |   regenerate: {uses: regenerate, in: {dialogues: import}, with: {servers: ["http://127.0.0.1:9"]}}
          |                                                                 ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
        hint: give both steps the same systemPrompt, such as a variable that holds {policy: set, text: ...}"
    `);
  });

  it("is refused in the dry run and in a run, before a workspace exists", async () => {
    bench.write(
      "p.yaml",
      pipelineOf({
        import: "",
        regenerate: "systemPrompt: {policy: set, text: One.}",
        validate: "systemPrompt: {policy: set, text: Other.}",
      }),
    );
    bench.write("d.jsonl", "{}\n");
    const options = { ...bench.options, ...real };
    await expect(dryRun(options)).rejects.toThrow(/disagree about the system prompt/);
    await expect(runPipeline(options)).rejects.toThrow(/regenerate \(p\.yaml:\d+:\d+\) wants "One\."/);
  });

  it("is accepted where all steps share a variable, whatever --set makes of it", async () => {
    const yaml = pipelineOf(
      {
        import: "",
        regenerate: 'systemPrompt: "${vars.prompt}"',
        tokenize: 'systemPrompt: "${vars.prompt}"',
        validate: 'systemPrompt: "${vars.prompt}"',
      },
      "prompt: {policy: keep}",
    );
    await expect(plan(yaml)).resolves.toMatchObject({ warnings: [] });
    const set = ["vars.prompt={policy: refuse-if-different, text: Be brief.}"];
    await expect(plan(yaml, { set })).resolves.toMatchObject({ warnings: [] });
    const one = ["steps.regenerate.with.systemPrompt={policy: set, text: Be long.}", ...set];
    expect(await complaint(yaml, { set: one })).toMatch(/at --set|--set steps\.regenerate\.with\.systemPrompt=/);
  });

  it("may be unchecked by validate where regenerate sets it, and may be declared in any policy", async () => {
    const set = "systemPrompt: {policy: set, text: T}";
    await expect(plan(pipelineOf({ import: "", regenerate: set, validate: "" }))).resolves.toBeDefined();
    const other = "systemPrompt: {policy: refuse-if-different, text: T}";
    await expect(plan(pipelineOf({ import: "", regenerate: set, validate: other }))).resolves.toBeDefined();
  });

  it("is followed through steps that have none of their own, and not across steps that only share an origin", async () => {
    const viaRows =
      "validate: {uses: validate, in: {shards: shard}, with: {model: ./m, systemPrompt: {policy: set, text: T}}}";
    const steps = { import: "", regenerate: "", tokenize: "", shard: "", validation: viaRows };
    expect(await complaint(pipelineOf(steps))).toContain("regenerate and validate disagree about the system prompt");
    const early =
      "early: {uses: validate, in: {dialogues: import}, with: {model: ./m, systemPrompt: {policy: set, text: T}}}";
    await expect(plan(pipelineOf({ import: "", regenerate: "", early }))).resolves.toBeDefined();
  });

  it("of fixed dialogues is tokenize's", async () => {
    const rows = "rows: {uses: validate, in: {rows: fixed}, with: {model: ./m, systemPrompt: {policy: set, text: T}}}";
    expect(await complaint(pipelineOf({ import: "", fixed: "", rows }))).toContain("fixed and rows disagree");
    const same = "systemPrompt: {policy: set, text: T}";
    await expect(plan(pipelineOf({ import: "", fixed: same, rows }))).resolves.toBeDefined();
  });

  it("is compared between the parts that merge puts together", async () => {
    const yaml = `
name: p
steps:
  import: {uses: import, with: {source: [./d.jsonl]}}
  a: {uses: regenerate, in: {dialogues: import}, with: {servers: ["http://127.0.0.1:9"], partition: 0/2}}
  b:
    uses: regenerate
    in: {dialogues: import}
    with: {servers: ["http://127.0.0.1:9"], partition: 1/2, systemPrompt: {policy: set, text: T}}
  whole: {uses: merge, in: {dialogues: import}, with: {parts: ["\${steps.a}", "\${steps.b}"]}}
`;
    expect(await complaint(yaml)).toContain("a and b disagree about the system prompt");
  });
});

describe("the history of prompts", () => {
  it("is refused where steps carry different parts of a dialogue, and accepted from one variable", async () => {
    const shared = { import: "", regenerate: 'history: "${vars.history}"', validate: 'history: "${vars.history}"' };
    const variable = "history: {lastImages: 2, replacement: (seen)}";
    await expect(plan(pipelineOf(shared, variable))).resolves.toMatchObject({ warnings: [] });
    await expect(plan(pipelineOf(shared, variable), { set: ["vars.history=all"] })).resolves.toBeDefined();
    const one = { set: ["steps.validate.with.history={lastTurns: 3}"] };
    expect(await complaint(pipelineOf(shared, variable), one)).toMatch(
      /regenerate and validate disagree about the history that prompts carry: regenerate \(.*\) carries the last 2 images \(earlier ones as "\(seen\)"\), validate \(.*\) carries the last 3 turns/,
    );
  });

  it("is what regenerate sends where another step declares it, all by default", async () => {
    const declared = "history: {lastTurns: 3}";
    for (const name of ["tokenize", "validate"]) {
      expect(await complaint(pipelineOf({ import: "", regenerate: "", [name]: declared }))).toContain(
        `regenerate and ${name} disagree about the history that prompts carry`,
      );
      const both = pipelineOf({ import: "", regenerate: declared, [name]: declared });
      await expect(plan(both)).resolves.toBeDefined();
      await expect(plan(pipelineOf({ import: "", regenerate: declared, [name]: "" }))).resolves.toBeDefined();
    }
    const rows = "rows: {uses: validate, in: {rows: fixed}, with: {model: ./m, history: {lastImages: 1}}}";
    expect(await complaint(pipelineOf({ import: "", fixed: "", rows }))).toContain("fixed and rows disagree");
    await expect(plan(pipelineOf({ import: "", fixed: "history: {lastImages: 1}", rows }))).resolves.toBeDefined();
  });

  it("that is impossible is named with what to write", async () => {
    const wrong = { import: "", regenerate: "history: {lastImages: 2, keepFirst: true}" };
    expect(await complaint(pipelineOf(wrong))).toMatch(/keepFirst/);
    expect(await complaint(pipelineOf({ import: "", regenerate: "history: none" }))).toMatch(/history/);
  });
});

describe("a log of production", () => {
  const log = (more: string) => `traffic: {uses: import, with: {source: [./d.jsonl], format: log, model: ./m${more}}}`;
  const rows = "rows: {uses: tokenize, in: {generations: traffic}, with: {model: ./m}}";

  it("is dialogues and generations at once, and no other import is", async () => {
    const shards = "shards: {uses: shard, in: {rows: rows, dialogues: traffic}}";
    await expect(plan(pipelineOf({ traffic: log(""), rows, shards }))).resolves.toBeDefined();
    const plain = "traffic: {uses: import, with: {source: [./d.jsonl]}}";
    expect(await complaint(pipelineOf({ traffic: plain, rows }))).toContain(
      "step traffic makes dialogues, but generations takes generations or traffic",
    );
  });

  it("shares history and template arguments with what is made of it", async () => {
    const check = "check: {uses: validate, in: {generations: traffic}, with: {model: ./m, history: {lastTurns: 2}}}";
    expect(await complaint(pipelineOf({ traffic: log(""), check }))).toContain(
      "traffic and check disagree about the history",
    );
    const declared = log(", log: {history: {lastTurns: 2}}");
    await expect(plan(pipelineOf({ traffic: declared, check }))).resolves.toBeDefined();
  });
});

describe("other settings", () => {
  it("the template's arguments", async () => {
    const steps = { import: "", regenerate: "thinking: on", validate: "thinking: off" };
    expect(await complaint(pipelineOf(steps))).toContain("disagree about the chat template's arguments");
    const kwargs = { import: "", regenerate: "chatTemplateKwargs: {a: 1}", validate: "chatTemplateKwargs: {a: 2}" };
    expect(await complaint(pipelineOf(kwargs))).toContain('has thinking default, chatTemplateKwargs {"a":1}');
    for (const left of ["", "thinking: on", "chatTemplateKwargs: {a: 1, enable_thinking: true}"]) {
      const same = { import: "", regenerate: "thinking: on, chatTemplateKwargs: {a: 1}", validate: left };
      await expect(plan(pipelineOf(same)), left).resolves.toBeDefined();
    }
    expect(await complaint(pipelineOf({ import: "", regenerate: "", tokenize: "thinking: off" }))).toContain(
      "regenerate and tokenize disagree",
    );
  });

  it("the target: another directory may be named, if it holds the same", async () => {
    cpSync(TINY_GUI, bench.path("m"), { recursive: true });
    cpSync(TINY_GUI, bench.path("copy"), { recursive: true });
    const steps = { import: "", regenerate: "model: ./copy", tokenize: "" };
    await expect(plan(pipelineOf(steps))).resolves.toBeDefined();
    const template = join(bench.path("copy"), "chat_template.jinja");
    writeFileSync(template, `${readFileSync(template, "utf8")}{# changed #}`);
    expect(await complaint(pipelineOf(steps))).toContain("regenerate and tokenize disagree about the target");
    // What is not there (yet) is left to the step that reads it.
    await expect(plan(pipelineOf({ ...steps, regenerate: "model: ./nowhere" }))).resolves.toBeDefined();
  });

  it("the target that a service serves", async () => {
    cpSync(TINY_GUI, bench.path("m"), { recursive: true });
    cpSync(TINY_GUI, bench.path("copy"), { recursive: true });
    const config = join(bench.path("copy"), "config.json");
    writeFileSync(config, readFileSync(config, "utf8").replace(/"rms_norm_eps": [^,]+/, '"rms_norm_eps": 0.5'));
    const yaml = `
name: p
services: {target: {uses: reference-server, with: {model: ./copy}}}
steps:
  import: {uses: import, with: {source: [./d.jsonl]}}
  regenerate: {uses: regenerate, in: {dialogues: import}, with: {servers: ["\${services.target.url}"]}}
  tokenize: {uses: tokenize, in: {generations: regenerate}, with: {model: ./m}}
`;
    expect(await complaint(yaml)).toContain("target and tokenize disagree about the target: target (p.yaml:3:");
  });

  it("the sizes that import gives images", async () => {
    cpSync(TINY_GUI, bench.path("m"), { recursive: true });
    const sizes = (most: number) => `resize: fixed-point, factor: 32, minPixels: 65536, maxPixels: ${most}`;
    const steps = { import: sizes(999_999_999), regenerate: "", tokenize: "" };
    expect(await complaint(pipelineOf(steps))).toContain("disagree about the sizes of images");
    await expect(plan(pipelineOf({ ...steps, import: sizes(131_072) }))).resolves.toBeDefined();
  });

  it("the shape of a draft that is continued", async () => {
    const yaml = (
      layers: number,
    ) => `${pipelineOf({ import: "", regenerate: "", tokenize: "", shard: "" })}  first: {uses: train, in: {shards: shard}, with: {model: ./m, draft: {layers: 5, blockSize: 8}}}
  draft: {uses: export, in: {checkpoints: first}, with: {model: ./m}}
  second: {uses: train, in: {shards: shard}, with: {model: ./m, initFrom: "\${steps.draft}", draft: {layers: ${layers}, blockSize: 8}}}
`;
    expect(await complaint(yaml(4))).toContain("first and second disagree about the shape of the draft");
    await expect(plan(yaml(5))).resolves.toBeDefined();
  });

  it("lengths that would leave rows out are warned of: in the dry run, and when the run starts", async () => {
    const steps = { import: "", regenerate: "", tokenize: "maxLength: 2048", shard: "", train: "maxLength: 1024" };
    const { warnings } = await plan(pipelineOf(steps));
    expect(warnings).toMatchObject([{ step: "train", message: expect.stringContaining("takes up to 2048 tokens") }]);
    expect(formatDryRun(await dryRun({ ...bench.options, ...real }))).toContain(
      "note: tokenize and train disagree about the length of rows",
    );
    await expect(plan(pipelineOf({ ...steps, train: "maxLength: 2048" }))).resolves.toMatchObject({ warnings: [] });
  });
});

describe("former spellings", () => {
  it.each([
    ["keep", "write {policy: keep}"],
    ["You act.", "write {policy: set, text: ...}"],
    ["null", 'no system prompt is written {policy: set, text: ""}'],
  ])("validate's systemPrompt: %s", async (written, told) => {
    expect(await complaint(pipelineOf({ import: "", regenerate: "", validate: `systemPrompt: ${written}` }))).toContain(
      told,
    );
  });

  it("demo-data's systemPrompt", async () => {
    const yaml = "name: p\nsteps:\n  raw: {uses: demo-data, with: {systemPrompt: call}}\n";
    expect(await complaint(yaml)).toContain("hint: it is called answerForm now");
  });
});
