/** The three ways in which a template does not give a text. Each names the template's line once it is known. */

abstract class TemplateError extends Error {
  private sourceLine: number | null = null;

  /** The line of the template, from 1; null where the fault has no place. */
  get line(): number | null {
    return this.sourceLine;
  }

  /** Notes the line unless an inner statement already has, and appends it to the message. */
  at(line: number): this {
    if (this.sourceLine === null) {
      this.sourceLine = line;
      this.message += ` (line ${line} of the template)`;
    }
    return this;
  }
}

/** The template uses something that this engine does not do exactly as Python does: nothing is rendered rather than a guess. */
export class TemplateUnsupported extends TemplateError {
  override readonly name = "TemplateUnsupported";
}

/** The template or Python's rules reject these messages: raise_exception, an undefined value, a wrong type. */
export class TemplateFailure extends TemplateError {
  override readonly name = "TemplateFailure";
}

/** jinja2 itself cannot compile the template. */
export class TemplateSyntaxError extends TemplateError {
  override readonly name = "TemplateSyntaxError";
}

export type AnyTemplateError = TemplateError;

/**
 * What a fault thrown while a template runs means for the row. A template error gets the line; a stack that ran out is
 * Python's RecursionError; anything else is a fault of this engine, which must cost the row and not the run.
 */
export function templateError(error: unknown, line: number | null): AnyTemplateError {
  const known = error instanceof TemplateError ? error : translated(error);
  return line === null ? known : known.at(line);
}

function translated(error: unknown): AnyTemplateError {
  if (error instanceof RangeError && /call stack/.test(error.message))
    return new TemplateFailure("it recurses too deeply");
  if (error instanceof RangeError) return new TemplateUnsupported(`a value too large for memory (${error.message})`);
  const what = error instanceof Error ? `${error.name}: ${error.message}` : String(error);
  return new TemplateUnsupported(`an input on which this engine fails (${what})`);
}
