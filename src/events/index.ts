export * from "./event.js";
export * from "./format.js";
export * from "./plain.js";
export * from "./progress.js";
export * from "./reporter.js";
export * from "./sinks.js";
export * from "./table.js";
export * from "./terminal.js";
