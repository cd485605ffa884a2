export * from "./event.js";
export * from "./sinks.js";
