/** Compiles a chat template once, to render it many times with the same result as transformers' jinja2. */

import { GLOBALS } from "./builtins/globals.js";
import type { Block, Output } from "./compile/context.js";
import { RenderState } from "./compile/render-state.js";
import { Frame, Scope } from "./compile/scope.js";
import { COMPILER, compileBlock } from "./compile/statements.js";
import { TemplateUnsupported, templateError } from "./errors.js";
import { parseTemplate } from "./syntax/parser.js";
import { fromJson } from "./values/from-json.js";
import type { Value } from "./values/values.js";

export interface ChatTemplate {
  /**
   * Throws TemplateFailure if the template or Python's rules reject the input, TemplateUnsupported if rendering needs something
   * that this engine does not do exactly as Python. Throws nothing else; the work is bounded (`compile/render-state.ts`).
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
        block(new Scope(null, new RenderState(values)), output);
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
