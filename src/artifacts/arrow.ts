/** The Arrow part of this room, apart from its index: loading apache-arrow takes a tenth of a second. */
export * from "./arrow-columns.js";
export * from "./arrow-file.js";
export * from "./arrow-images.js";
export * from "./arrow-rows.js";
export * from "./arrow-writer.js";
