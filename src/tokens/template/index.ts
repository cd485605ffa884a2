export { TemplateFailure, TemplateSyntaxError, TemplateUnsupported } from "./errors.js";
export { type ChatTemplate, compileTemplate } from "./template.js";
