export { type ChatTemplate, compileTemplate } from "./compile.js";
export { TemplateFailure, TemplateUnsupported } from "./errors.js";
