export * from "./dialogue.js";
export * from "./generation.js";
export * from "./run-ids.js";
