/** A chat template, compiled once and rendered many times, to the text that transformers' jinja2 gives. */

import { GLOBALS } from "./builtins/globals.js";
import type { Block, Output } from "./compile/place.js";
import { Run } from "./compile/run.js";
import { Frame, Scope } from "./compile/scope.js";
import { COMPILER, compileBlock } from "./compile/statements.js";
import { TemplateUnsupported, templateError } from "./errors.js";
import { parseTemplate } from "./syntax/parser.js";
import { fromJson } from "./values/from-json.js";
import type { Value } from "./values/values.js";

export interface ChatTemplate {
  /**
   * Throws TemplateFailure where the template or Python rejects the input, TemplateUnsupported where the rendering meets
   * something that is not done exactly as in Python. Nothing else is thrown, and the work is bounded (`run.ts`).
   */
  render(variables: Readonly<Record<string, unknown>>): string;
}

/** Throws TemplateSyntaxError for what jinja2 cannot compile, TemplateUnsupported for a construct that only this engine lacks. */
export function compileTemplate(source: string): ChatTemplate {
  const block = compileSource(source);
  return {
    render(variables) {
      try {
        const values = new Map<string, Value>(GLOBALS);
        for (const [name, value] of Object.entries(variables)) values.set(name, fromJson(value));
        const output: Output = { text: "" };
        block(new Scope(null, new Run(values)), output);
        return output.text;
      } catch (error) {
        throw templateError(error, null);
      }
    },
  };
}

function compileSource(source: string): Block {
  try {
    return compileBlock(parseTemplate(source), { frame: new Frame(), inLoop: false, soft: false, compiler: COMPILER });
  } catch (error) {
    if (error instanceof RangeError) throw new TemplateUnsupported("tags or brackets nested this deeply");
    throw error;
  }
}
