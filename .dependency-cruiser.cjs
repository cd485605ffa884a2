/**
 * What each room under src/ may import. Data flows one way: whoever breaks one of these rules wants a function moved,
 * not the rule. `sees(room, others)` forbids everything under src/ but the room itself and the others.
 */
const STAGE = "^src/stages/[^/]+/";
const SEAM = "^src/stages/(stage|registry|shared-settings)\\.ts$";

function sees(room, others) {
  const allowed = [room, ...others].map((name) => `^src/${name}/`);
  return {
    name: `${room}-sees-only-its-own`,
    comment: `${room}/ may import ${others.length === 0 ? "no other room" : others.join(", ")}`,
    severity: "error",
    from: { path: `^src/${room}/` },
    to: { path: "^src/", pathNot: allowed },
  };
}

/** Rooms of a stage, the lowest first: a room may import those before it. */
function upwards(stage, rooms) {
  return rooms.map((room, at) => ({
    name: `${stage}-${room}-sees-lower-rooms`,
    comment: `${room}/ may import ${at === 0 ? "no other room" : rooms.slice(0, at).join(", ")} of the stage`,
    severity: "error",
    from: { path: `^src/stages/${stage}/${room}/` },
    to: { path: `^src/stages/${stage}/(${rooms.slice(at + 1).join("|")})/` },
  })).slice(0, -1);
}

const REGENERATE_ROOMS = [
  "selection",
  "ledger",
  "servers",
  "prompts",
  "report",
  "asking",
  "recheck",
  "dialogues",
  "estimate",
];

/** What the stage import needs of tokens/ is arithmetic; the room's index loads the tokenizer, a native library. */
const SIZES_ONLY = {
  from: "^src/stages/import/(target-size|special-text)\\.ts$",
  to: "^src/tokens/(image-tokens|smart-resize|spoofed)\\.ts$",
};

/** Files of another room are reached by its index alone, so that the index says what the room offers. */
function byIndex(name, from, exceptions) {
  const own = from.path === SIZES_ONLY.from ? "^src/stages/" : "^src/$1/";
  return {
    name,
    comment: "import from the room's index.ts; what it lacks and others need belongs there",
    severity: "error",
    from,
    to: { path: "^src/[^/]+/", pathNot: [own, "^src/[^/]+/index\\.ts$", SEAM, ...exceptions] },
  };
}

module.exports = {
  forbidden: [
    sees("base", []),
    sees("events", ["base"]),
    sees("artifacts", ["base", "events"]),
    sees("dialogue", ["base"]),
    sees("images", ["base"]),
    sees("model", ["base"]),
    sees("tokens", ["base", "model", "dialogue"]),
    sees("sglang", ["base"]),
    sees("trainer-process", ["base", "events"]),
    sees("report", ["base", "events"]),
    sees("inspect", ["base", "events", "artifacts", "model"]),
    {
      name: "stages-see-the-rooms-below",
      comment: "a stage may import every lower room, stages/stage.ts and stages/shared-settings.ts",
      severity: "error",
      from: { path: STAGE },
      to: {
        path: "^src/",
        pathNot: [
          STAGE,
          "^src/stages/(stage|shared-settings)\\.ts$",
          "^src/(base|events|artifacts|dialogue|images|model|tokens|sglang|trainer-process|report)/",
        ],
      },
    },
    {
      name: "no-stage-sees-another",
      comment: "stages meet in artifacts only; shared code belongs into a room below",
      severity: "error",
      from: { path: "^src/stages/([^/]+)/" },
      to: { path: STAGE, pathNot: "^src/stages/$1/" },
    },
    ...upwards("regenerate", REGENERATE_ROOMS),
    {
      name: "pipeline-sees-stages-by-registry",
      comment: "the pipeline knows no stage by name",
      severity: "error",
      from: { path: "^src/pipeline/" },
      to: { path: "^src/", pathNot: ["^src/(pipeline|base|events|artifacts|report|trainer-process)/", SEAM] },
    },
    {
      name: "cli-turns-words-into-calls",
      comment: "the command line calls the pipeline, the doctor and the inspector",
      severity: "error",
      from: { path: "^src/cli/" },
      to: { path: "^src/", pathNot: ["^src/(cli|pipeline|inspect|events|base|trainer-process|model)/", SEAM] },
    },
    {
      name: "nobody-sees-the-cli",
      severity: "error",
      from: { path: "^src/", pathNot: "^src/cli/" },
      to: { path: "^src/cli/" },
    },
    byIndex("rooms-are-entered-by-their-index", { path: "^src/([^/]+)/", pathNot: SIZES_ONLY.from }, []),
    byIndex("import-needs-sizes-and-texts-of-tokens", { path: SIZES_ONLY.from }, [SIZES_ONLY.to]),
    {
      name: "no-circles",
      comment: "files that import each other cannot be understood one at a time; types may",
      severity: "error",
      from: {},
      to: { circular: true, viaOnly: { dependencyTypesNot: ["type-only"] } },
    },
    {
      name: "no-undeclared-packages",
      comment: "what src/ imports must be a dependency that users get",
      severity: "error",
      from: { path: "^src/" },
      to: { dependencyTypes: ["npm-dev", "npm-no-pkg", "npm-unknown"], dependencyTypesNot: ["type-only"] },
    },
    { name: "no-missing-files", severity: "error", from: {}, to: { couldNotResolve: true } },
  ],
  options: {
    doNotFollow: { path: "node_modules" },
    exclude: { path: "^src/(trainer|setup)/" },
    tsConfig: { fileName: "tsconfig.json" },
    tsPreCompilationDeps: true,
    enhancedResolveOptions: { exportsFields: ["exports"], conditionNames: ["import", "node", "default", "types"] },
  },
};
