export * from "./registry.js";
export * from "./service.js";
export * from "./supervisor.js";
