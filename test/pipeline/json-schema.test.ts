import { readdirSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { Ajv2020 } from "ajv/dist/2020.js";
import { describe, expect, it } from "vitest";
import { parse } from "yaml";
import { exportSchemas, pipelineJsonSchema } from "../../src/pipeline/index.js";
import { smallServices, smallStages } from "./small-stages.js";

const root = fileURLToPath(new URL("../../", import.meta.url));
const schemas = `${root}configs/schema/`;
const pipelines = `${root}pipelines/`;
const validator = async (schema: object) => new Ajv2020({ strict: false, validateFormats: false }).compile(schema);

describe("the schemas in configs/schema", () => {
  it("are those of the stages; after a change of options run: draftsmith schema --write configs/schema", async () => {
    const wanted = await exportSchemas();
    expect(readdirSync(schemas).sort()).toEqual(Object.keys(wanted).sort());
    for (const [name, schema] of Object.entries(wanted)) {
      expect(JSON.parse(readFileSync(schemas + name, "utf8")), name).toEqual(JSON.parse(JSON.stringify(schema)));
    }
  });

  it("accept every pipeline of the tree, which names them in its first line", async () => {
    const validate = await validator(await pipelineJsonSchema());
    for (const name of readdirSync(pipelines).filter((file) => file.endsWith(".yaml"))) {
      const text = readFileSync(pipelines + name, "utf8");
      expect(text.split("\n")[0], name).toBe("# yaml-language-server: $schema=../configs/schema/pipeline.schema.json");
      validate(parse(text));
      expect(validate.errors, name).toBeNull();
    }
  });
});

describe("a schema for editors", () => {
  const accepts = async (step: object): Promise<boolean> => {
    const validate = await validator(await pipelineJsonSchema(smallStages, smallServices));
    return validate({ name: "p", services: { word: { uses: "word", with: { word: "x" } } }, steps: { step } });
  };

  it("knows stages, options, their types and inputs", async () => {
    expect(await accepts({ uses: "numbers", with: { count: 3 } })).toBe(true);
    expect(await accepts({ uses: "numbers" })).toBe(true);
    expect(await accepts({ uses: "nubmers" })).toBe(false);
    expect(await accepts({ uses: "numbers", with: { conut: 3 } })).toBe(false);
    expect(await accepts({ uses: "numbers", with: { count: "many" } })).toBe(false);
    expect(await accepts({ uses: "scale", in: { number: "x" } })).toBe(false);
    expect(await accepts({ uses: "scale", in: { numbers: "x" }, with: { nested: { depth: "deep" } } })).toBe(false);
  });

  it("lets a reference stand anywhere", async () => {
    expect(await accepts({ uses: "numbers", with: { count: "${vars.count}", shape: "${vars.shape}" } })).toBe(true);
    expect(
      await accepts({
        uses: "scale",
        in: { numbers: "x" },
        with: { nested: { depth: "${matrix.d}" }, tags: "${vars.t}" },
      }),
    ).toBe(true);
  });
});
