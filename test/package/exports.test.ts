/** The library's surface: a name that is added or lost is a decision, written down here. */
import { readFileSync } from "node:fs";
import ts from "typescript";
import { describe, expect, it } from "vitest";
import * as library from "../../src/index.js";
import { STAGE_NAMES, stages } from "../../src/index.js";
import { scratchDirectory } from "../scratch/scratch.js";

const VALUES = [
  "DraftsmithError",
  "ERROR_CODES",
  "STAGE_NAMES",
  "VERSION",
  "dryRun",
  "formatDryRun",
  "formatError",
  "formatWhy",
  "isDraftsmithError",
  "makeReporter",
  "openArtifact",
  "planPipeline",
  "readManifest",
  "refusalOf",
  "runPipeline",
  "stages",
  "tee",
  "whyStep",
];

const TYPES = [
  "ArtifactKind",
  "Dialogue",
  "DraftsmithEvent",
  "DryRun",
  "ErrorCode",
  "ErrorLocation",
  "EventSink",
  "Generation",
  "JsonObject",
  "JsonValue",
  "Manifest",
  "Plan",
  "PlanOptions",
  "RunOptions",
  "RunResult",
  "StageCall",
  "StageFunction",
  "StageName",
  "StageOptions",
  "StageOutcome",
  "StepResult",
  "Why",
];

describe("the library", () => {
  it("exports these values and types by name, and nothing else", () => {
    expect(Object.keys(library).sort()).toEqual(VALUES);
    const file = new URL("../../src/index.ts", import.meta.url);
    const source = ts.createSourceFile("index.ts", readFileSync(file, "utf8"), ts.ScriptTarget.ES2023);
    const names = source.statements.flatMap((statement) => {
      if (!ts.isExportDeclaration(statement) || statement.exportClause === undefined) return ["(not by name)"];
      if (!ts.isNamedExports(statement.exportClause)) return ["(not by name)"];
      return statement.exportClause.elements.map(({ name }) => name.text);
    });
    expect(names.sort()).toEqual([...VALUES, ...TYPES].sort());
  });

  it("has every stage as a function", async () => {
    expect(Object.keys(stages)).toEqual(STAGE_NAMES);
    const out = scratchDirectory("exports");
    await expect(stages.merge({ parts: ["nowhere"] }, { out: `${out}/merged`, cwd: out })).rejects.toMatchObject({
      code: "INPUT_MISSING",
      location: { field: "parts.0" },
    });
  });
});
