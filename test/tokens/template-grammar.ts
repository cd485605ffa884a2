/** Random templates over jinja2's grammar, and random values with many nulls to render them with. */
import fc from "fast-check";
import type { JsonObject, JsonValue } from "../../src/base/index.js";

type Source = fc.Arbitrary<string>;

/** The variables that the expressions name; `undef` is never given. */
export const grammarVariables = (): fc.Arbitrary<JsonObject> =>
  fc.record({
    s: text(),
    n: fc.constant(null),
    i: fc.integer({ min: -3, max: 7 }),
    f: fc.constantFrom(0.5, -1.25, 2.5, 1e-7, 1e22, 3.0000001),
    b: fc.boolean(),
    l: fc.array(value(), { maxLength: 4 }),
    m: fc.record({ k: value(), r: fc.constant(null), items: value(), "a b": value(), name: text() }),
    d: fc.dictionary(fc.constantFrom("a", "B", "b", "zz", "0", "get"), value(), { maxKeys: 4 }),
    records: fc.array(fc.record({ k: fc.oneof(text(), fc.constant(null)), v: value(), i: fc.nat(3) }), {
      maxLength: 4,
    }),
  });

const text = (): fc.Arbitrary<string> =>
  fc.oneof(
    fc.constantFrom(
      "",
      "a",
      "A b",
      " x ",
      "None",
      "<b>&'\"",
      "a,b,,c",
      "line\n two\r\n\tthree",
      "\u00e9\u00df \u4e2d\ud83d\ude00",
      "12",
      "1.5",
    ),
    fc.string({ maxLength: 5 }),
  );

const value = (): fc.Arbitrary<JsonValue> =>
  fc.oneof(
    { weight: 3, arbitrary: fc.constant(null) },
    { weight: 3, arbitrary: text() },
    { weight: 2, arbitrary: fc.integer({ min: -9, max: 99 }) },
    {
      weight: 1,
      arbitrary: fc.constantFrom<JsonValue>(true, false, 0.25, [], {}, [null], { x: null }, [1, "a", null]),
    },
  );

const pick = (...sources: string[]): Source => fc.constantFrom(...sources);

/** Fills `$text`, `$list` ... in a pattern with expressions of those kinds. */
function pattern(shape: string, kinds: Readonly<Record<string, () => Source>>): Source {
  const parts = shape.split(/\$([a-z]+)/);
  return fc
    .tuple(...parts.map((part, index) => (index % 2 === 0 ? fc.constant(part) : kinds[part]!())))
    .map((filled) => filled.join(""));
}

const LEAVES = {
  text: ["s", "m.name", "'a'", "''", "'A b'", "m['name']", "'x\\ny'", '"it\'s"'],
  int: ["i", "0", "1", "-2", "3", "l | length", "l | count"],
  number: ["i", "f", "2", "0.5", "-1.0", "true"],
  bool: ["b", "true", "false", "n is none", "undef is defined", "m.r is defined"],
  list: ["l", "[]", "[none, 1, 'a']", "['b', 'a', 'B']", "records", "[3, 1, 2]", "(1, none)", "range(4)"],
  dict: ["m", "d", "{}", "{'a': none, 'b': 'x'}", "{1: 'q', none: 2}", "l | first", "records | first"],
  any: [
    "n",
    "undef",
    "m.r",
    "m.k",
    "m['items']",
    "d.a",
    "d['0']",
    "l[0]",
    "l[-1]",
    "m.get('k')",
    "m.get('zz')",
    "none",
  ],
} as const;

const SHAPES: Readonly<Record<keyof typeof LEAVES, readonly string[]>> = {
  text: [
    "($text + $text)",
    "($any ~ $any)",
    "$text.strip()",
    "$text.strip($text)",
    "$text.split($text)[$int]",
    "$text.split()",
    "$text.rsplit(none, 1)",
    "$text.replace($text, $text)",
    "$text.upper()",
    "$text.title()",
    "$text.center($int)",
    "$text.partition(',')",
    "$text.splitlines()",
    "$text.join($list)",
    "$text.format($any, $any)",
    "$any | string",
    "$any | trim",
    "$any | upper",
    "$any | lower",
    "$any | capitalize",
    "$any | title",
    "$any | safe",
    "$any | e",
    "$any | replace($any, $any)",
    "$text | indent($int, $bool)",
    "$text | truncate($int)",
    "$text | wordcount",
    "$text | urlencode",
    "$list | join($text)",
    "$list | join",
    "$list | join(',', attribute='k')",
    "$any | tojson",
    "$any | tojson(indent=$int)",
    "$any | tojson(sort_keys=$bool, ensure_ascii=$bool)",
    "$text[$int]",
    "$text[$int:]",
    "$text[:$int]",
    "$text[::-1]",
    "('%s|%s' % ($any, $any))",
    "('%d' % $number)",
    "('%5.1f' % $number)",
    "('%r' % [$any])",
    "($text if $any else $text)",
    "($text * $int)",
    "$any | default($text)",
    "$any | default($text, true)",
    "($any or $text)",
  ],
  int: [
    "$list | length",
    "$text | length",
    "$any | int",
    "$text.find($text)",
    "$text.count($text)",
    "loop.index",
    "($int + $int)",
    "($int // $int)",
    "($int % $int)",
    "$list.count($any)",
    "$dict | length",
  ],
  number: [
    "($number + $number)",
    "($number - $number)",
    "($number * $number)",
    "($number / $number)",
    "($number // $number)",
    "($number % $number)",
    "-$number",
    "$any | float",
    "$number | round",
    "$number | round(1)",
    "$number | abs",
    "$list | sum",
    "($int ** 2)",
  ],
  bool: [
    "($any == $any)",
    "($any != $any)",
    "($number < $number)",
    "($text <= $text)",
    "($any in $list)",
    "($text in $text)",
    "($text not in $dict)",
    "($any is none)",
    "($any is $test)",
    "($any is not $test)",
    "not $any",
    "($any and $any)",
    "($int < $int < $int)",
    "($any == $any == $any)",
    "($any is eq $any)",
    "($any is in $list)",
    "($int is divisibleby 2)",
    "$text.startswith($text)",
    "$text.isdigit()",
    "($list < $list)",
  ],
  list: [
    "$list[$int:]",
    "$list[::-1]",
    "($list + $list)",
    "($list * $int)",
    "[$any, $any]",
    "($any, $any)",
    "$dict.items() | list",
    "$dict.keys() | list",
    "$dict.values() | list",
    "$dict | dictsort",
    "$dict | list",
    "$dict | items | list",
    "$list | list",
    "$list | sort",
    "$list | sort(reverse=true)",
    "$list | unique | list",
    "$list | reverse | list",
    "$list | map('string') | list",
    "$list | map(attribute='k') | list",
    "$list | map(attribute='k', default=$any) | list",
    "$list | select | list",
    "$list | select('$test') | list",
    "$list | reject('$test') | list",
    "$list | selectattr('k') | list",
    "$list | selectattr('k', 'equalto', $any) | list",
    "$list | rejectattr('k', '$test') | list",
    "$list | selectattr('k', 'in', $any) | list",
    "$list | batch(2, $any) | list",
    "$list | slice(2) | list",
    "records | groupby('i')",
    "records | sort(attribute='i')",
    "records | groupby('k', default='') | map('list') | list",
    "$text | list",
    "$any | default([])",
  ],
  dict: [
    "{'a': $any, $text: $any}",
    "dict(a=$any)",
    "dict($dict, b=$any)",
    "$any | default({})",
    "$list | first",
    "$list | last",
  ],
  any: [
    "$text",
    "$int",
    "$number",
    "$bool",
    "$list",
    "$dict",
    "$dict.k",
    "$dict['a']",
    "$dict.items is defined",
    "$dict.get($text)",
    "$dict.get('r', $any)",
    "$list[$int]",
    "$any.k",
    "$any[$any]",
    "$list | first",
    "$list | last",
    "$list | min",
    "$list | max",
    "($any if $any)",
    "($any if $any else $any)",
    "($any or $any)",
    "($any and $any)",
    "$any | default($any)",
    "$any | default($any, $bool)",
    "($any + $any)",
    "($any * $any)",
    "$any | first",
    "$any | attr_free",
  ],
};

const TESTS = [
  "none",
  "defined",
  "undefined",
  "string",
  "mapping",
  "sequence",
  "iterable",
  "boolean",
  "integer",
  "float",
  "number",
  "true",
  "false",
  "callable",
  "odd",
  "even",
  "lower",
  "upper",
  "escaped",
];

function expression(kind: keyof typeof LEAVES, depth: number): Source {
  const leaf = pick(...LEAVES[kind]);
  if (depth === 0) return leaf;
  const kinds: Record<string, () => Source> = { test: () => pick(...TESTS) };
  for (const name of Object.keys(LEAVES) as (keyof typeof LEAVES)[]) kinds[name] = () => expression(name, depth - 1);
  const shapes = SHAPES[kind].filter((shape) => !shape.includes("attr_free"));
  return fc.oneof(
    { weight: 1, arbitrary: leaf },
    // A member, call or item behind a filter needs brackets, which keep the pattern's parts together.
    { weight: 3, arbitrary: fc.constantFrom(...shapes).chain((shape) => pattern(shape, bracketed(kinds))) },
  );
}

function bracketed(kinds: Readonly<Record<string, () => Source>>): Record<string, () => Source> {
  const all = Object.entries(kinds).map(([name, source]) => [
    name,
    name === "test" ? source : () => source().map((inner) => (/^[\w.]+$/.test(inner) ? inner : `(${inner})`)),
  ]);
  return Object.fromEntries(all) as Record<string, () => Source>;
}

const STATEMENTS: readonly string[] = [
  "{{ $any }}",
  "{{ $text }}|{{ $any }}",
  "{{ $bool }}{{ $number }}",
  "{{ [$any, $list, $dict] }}",
  "{{ $list }}{{ $dict }}",
  "{% if $any %}y{% elif $any %}z{% else %}n{% endif %}",
  "{% for x in $list %}{{ loop.index }}{{ x }}{{ loop.last }}{{ loop.previtem }};{% else %}e{% endfor %}",
  "{% for x in $any if x is $test %}{{ x }}{{ loop.length }}{% else %}e{% endfor %}",
  "{% for x in $list %}{% if x is $test %}{% continue %}{% endif %}{{ x ~ $any }}{% if loop.index > 2 %}{% break %}{% endif %}{% endfor %}",
  "{% for k, v in $dict.items() %}{{ k }}={{ v }}{{ loop.nextitem }};{% endfor %}",
  "{% for k, v in $any | items %}{{ k }}={{ v }};{% endfor %}",
  "{% set v = $any %}{{ v }}{{ v is defined }}{{ v is none }}",
  "{% set v, w = $any, $any %}{{ v }}{{ w }}",
  "{% set v %} {{ $any }} {% endset %}[{{ v | trim }}]{{ v | length }}",
  "{% set ns = namespace(x=$any) %}{% for x in $list %}{% set ns.x = x %}{% endfor %}{{ ns.x }}{{ ns.y is defined }}",
  "{% macro f(a, b=$any, c=none) %}{{ a }}|{{ b }}|{{ c }}{% endmacro %}{{ f($any) }}{{ f($any, c=$any) }}",
  "{% macro f() %}{{ varargs }}{{ kwargs }}{% endmacro %}{{ f($any, k=$any) }}",
  "{% macro f(x) %}<{{ caller($any) }}>{% endmacro %}{% call(y) f(1) %}{{ y }}{{ $any }}{% endcall %}",
  "{% with v = $any %}{{ v }}{% endwith %}{{ v is defined }}",
  "{% filter upper %}{{ $any }}{% endfilter %}{% generation %}{{ $any }}{% endgeneration %}",
  "{% set v = 1 %}{% for x in $list %}{{ v }}{% set v = x %}{{ v }}{% endfor %}{{ v }}",
  "  {%- if $bool -%}  {{- $text }} \n {% endif %}\n  {{ $any -}}  \n x",
];

/** A whole small template. */
export const grammarTemplate = (): Source => {
  const kinds: Record<string, () => Source> = { test: () => pick(...TESTS) };
  for (const name of Object.keys(LEAVES) as (keyof typeof LEAVES)[]) {
    kinds[name] = () => fc.nat(2).chain((depth) => expression(name, depth));
  }
  return fc.constantFrom(...STATEMENTS).chain((shape) => pattern(shape, bracketed(kinds)));
};

const FRAGMENTS =
  "- + %} {% {{ }} {# #} ( ) ' \" . | , : [ ] { } none not is in if else and ~ * ** // 0 1.5 \\\\ = == < loop x endif endfor".split(
    " ",
  );

/** A template with a few characters removed, or with fragments of tags and expressions put into it. */
export const damaged = (template: string): Source => {
  const place = fc.nat({ max: template.length });
  const edit = fc.oneof(
    fc.tuple(place, fc.integer({ min: 1, max: 4 }), fc.constant("")),
    fc.tuple(
      place,
      fc.constant(0),
      fc.constantFrom(...FRAGMENTS, " ", "\n", "{% raw %}", "{% endraw %}", "{%- endif %}"),
    ),
  );
  return fc
    .array(edit, { minLength: 1, maxLength: 3 })
    .map((edits) => edits.reduce((text, [at, gone, put]) => text.slice(0, at) + put + text.slice(at + gone), template));
};
