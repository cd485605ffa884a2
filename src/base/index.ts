export * from "./breath.js";
export * from "./digest.js";
export * from "./digest-index.js";
export * from "./errors.js";
export * from "./hidden.js";
export * from "./json.js";
export * from "./ordered-pool.js";
export * from "./version.js";
