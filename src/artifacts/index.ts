export * from "./atomic.js";
export * from "./directory.js";
export * from "./disk.js";
export * from "./journal.js";
export * from "./jsonl-reader.js";
export * from "./jsonl-writer.js";
export * from "./manifest.js";
export * from "./tree.js";
