/** Why a template produced no text. Each error names the template's line once it is known. */

abstract class TemplateError extends Error {
  private sourceLine: number | null = null;

  /** 1-based line of the template; null if unknown. */
  get line(): number | null {
    return this.sourceLine;
  }

  /** Sets the line and appends it to the message, unless an inner statement already did. */
  at(line: number): this {
    if (this.sourceLine === null) {
      this.sourceLine = line;
      this.message += ` (line ${line} of the template)`;
    }
    return this;
  }
}

/** The template uses something that this engine does not do exactly as Python, so it renders nothing rather than a guess. */
export class TemplateUnsupported extends TemplateError {
  override readonly name = "TemplateUnsupported";
}

/** The template or Python's rules reject the input: raise_exception, an undefined value, a wrong type. */
export class TemplateFailure extends TemplateError {
  override readonly name = "TemplateFailure";
}

/** jinja2 itself cannot compile the template. */
export class TemplateSyntaxError extends TemplateError {
  override readonly name = "TemplateSyntaxError";
}

export type AnyTemplateError = TemplateError;

/**
 * Turns anything thrown during rendering into a template error with a line. Stack overflow corresponds to Python's
 * RecursionError; anything else is a bug of this engine, which must cost one dialogue and not the run.
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
