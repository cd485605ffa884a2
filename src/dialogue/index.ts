export * from "./account.js";
export * from "./answer-message.js";
export * from "./dialogue.js";
export { OTHER_FIELDS } from "./fields.js";
export * from "./generation.js";
export * from "./history.js";
export * from "./partition.js";
export * from "./pictures.js";
export * from "./raw-dialogue.js";
export * from "./read-dialogue.js";
export * from "./request-message.js";
export { DIALOGUE_REASONS, type DialogueReason } from "./row-problem.js";
export * from "./run-ids.js";
export * from "./system-prompt.js";
export * from "./template-arguments.js";
export {
  DEFAULT_VIDEO_LIMITS,
  frameCountProblem,
  framesProblem,
  VIDEO_REASONS,
  type VideoLimits,
  type VideoReason,
} from "./video-rules.js";
