export * from "./canonicalise.js";
export * from "./locate.js";
export * from "./perceptual.js";
export * from "./png.js";
export * from "./reasons.js";
export * from "./remote.js";
export * from "./sniff.js";
export * from "./store.js";
