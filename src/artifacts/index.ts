export * from "./directory.js";
export * from "./manifest.js";
export * from "./tree.js";
