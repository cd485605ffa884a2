/** The two ways in which a template does not give a text. */

/** The template uses something this engine does not do exactly as Python does: nothing is rendered rather than a guess. */
export class TemplateUnsupported extends Error {
  override readonly name = "TemplateUnsupported";
}

/** The template, or Python's rules, reject these messages: raise_exception, an undefined value, a wrong type. */
export class TemplateFailure extends Error {
  override readonly name = "TemplateFailure";
}
