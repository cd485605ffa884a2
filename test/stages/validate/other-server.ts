/** Model directories like the embedded target with one thing changed, for servers that differ from what is trained. */
import { cp, mkdtemp, readFile, symlink, writeFile } from "node:fs/promises";
import { basename, join } from "node:path";
import { TINY_GUI } from "../../tokens/reference.js";

export type Change = readonly [file: string, from: string, to: string];

/** @param weights - linked, for a server; left out where only files are read */
export async function otherModel(root: string, changes: readonly Change[], weights = false): Promise<string> {
  const dir = await mkdtemp(join(root, "model-"));
  const isWeights = (path: string): boolean => path.endsWith(".safetensors");
  const found: string[] = [];
  await cp(TINY_GUI, dir, {
    recursive: true,
    filter: (path) => {
      if (isWeights(path)) found.push(path);
      return !isWeights(path);
    },
  });
  if (weights) for (const path of found) await symlink(path, join(dir, basename(path)));
  for (const [file, from, to] of changes) {
    const before = await readFile(join(dir, file), "utf8");
    if (!before.includes(from)) throw new Error(`${file} holds no ${from}`);
    await writeFile(join(dir, file), before.replace(from, to));
  }
  return dir;
}

const TEMPLATE = "chat_template.jinja";
const OPENING = "{{- '<|im_start|>assistant\\n' }}\n  {%- if enable_thinking is defined and enable_thinking %}";
const VARIANT = (name: string): string => `variant is defined and variant == '${name}'`;

/**
 * One server for many: its template does something else for each value of `variant`, a template argument that the
 * embedded target's own template does not know.
 */
export const VARIANTS: readonly Change[] = [
  [
    TEMPLATE,
    "{%- set ns = namespace(",
    `{%- if ${VARIANT("bos")} %}{{- '<|endoftext|>' }}{%- endif %}\n{%- set ns = namespace(`,
  ],
  [
    TEMPLATE,
    OPENING,
    `{{- '<|im_start|>assistant' }}
  {%- if not (${VARIANT("newline")}) %}{{- '\\n' }}{%- endif %}
  {%- if ${VARIANT("empty-thought")} %}{{- '<think>\\n\\n</think>\\n\\n' }}{%- endif %}
  {%- if (enable_thinking is defined and enable_thinking) or (${VARIANT("thinking")}) %}`,
  ],
  [
    TEMPLATE,
    "{{- '<|im_start|>system\\n' + ns.body + '<|im_end|>\\n' }}",
    `{%- if ${VARIANT("system")} %}{%- set ns.body = 'You are a helpful assistant.' %}{%- endif %}
      {%- if not (${VARIANT("no-system")}) %}{{- '<|im_start|>system\\n' + ns.body + '<|im_end|>\\n' }}{%- endif %}`,
  ],
  [
    TEMPLATE,
    "{{- '<|im_start|>user\\n' + ns.body + '<|im_end|>\\n' }}",
    `{%- if ${VARIANT("trimmed")} %}{%- set ns.body = ns.body | trim %}{%- endif %}
    {{- '<|im_start|>user\\n' + ns.body + '<|im_end|>' }}{%- if not (${VARIANT("between")}) %}{{- '\\n' }}{%- endif %}`,
  ],
  [
    TEMPLATE,
    "ns.reasoning and loop.index0 > ns.last_user",
    `ns.reasoning and (loop.index0 > ns.last_user or (${VARIANT("history")}))`,
  ],
];
