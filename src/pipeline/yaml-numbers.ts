/** YAML values whose numbers and keys keep how they were written, where that matters. */
import { type Document, type ParsedNode, parseDocument, type Scalar, visit } from "yaml";
import { JsonNumber, prefixedKey, prefixesDropped } from "../base/index.js";

/** Aliases beyond this multiply a file's size. */
const MAX_ALIASES = 100;

/**
 * As `document.toJS`, with a JsonNumber for every number that JSON.stringify would write differently, such as 0.0 or
 * 2512292042121000001, and with the prefixes of `parseJson` before keys that JavaScript would move. Forms that only YAML has are taken for the JSON number that they mean: `.5` for 0.5, 0x1F for 31.
 */
export function yamlValue(document: Document.Parsed<ParsedNode>): unknown {
  visit(document, {
    Scalar(role, node) {
      if (role === "key") {
        const key = String(node.value);
        const prefixed = prefixedKey(key);
        if (prefixed !== key) node.toJSON = () => prefixed;
        return;
      }
      if (typeof node.value !== "number") return;
      const number = written(node, node.value);
      if (number !== undefined) node.toJSON = () => number;
    },
  });
  return prefixesDropped(document.toJS({ maxAliasCount: MAX_ALIASES }) as unknown);
}

/** As `parse` of yaml, through `yamlValue`. @throws YAMLParseError */
export function parseYaml(text: string): unknown {
  const document = parseDocument(text);
  if (document.errors[0] !== undefined) throw document.errors[0];
  for (const warning of document.warnings) process.emitWarning(warning);
  return yamlValue(document);
}

function written({ source }: Scalar, value: number): JsonNumber | undefined {
  const literal = source === undefined ? undefined : jsonLiteral(source);
  // What JSON cannot hold, such as .inf, stays a number, which schemas refuse.
  if (literal === undefined || !Number.isFinite(value) || Number(literal) !== value) return undefined;
  return String(value) === literal ? undefined : new JsonNumber(literal);
}

function jsonLiteral(source: string): string | undefined {
  if (/^0o[0-7]+$|^0x[0-9a-fA-F]+$/.test(source)) return String(BigInt(source));
  const parts = /^([-+]?)(\d*)(?:(\.)(\d*))?([eE][-+]?\d+)?$/.exec(source);
  if (parts === null) return undefined;
  const [, sign = "", whole = "", point = "", fraction = "", exponent = ""] = parts;
  const digits = whole.replace(/^0+(?=\d)/, "");
  return `${sign === "-" ? "-" : ""}${digits || "0"}${point}${point && (fraction || "0")}${exponent}`;
}
