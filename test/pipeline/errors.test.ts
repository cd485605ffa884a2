import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { formatError, isDraftsmithError } from "../../src/base/index.js";
import { Bench } from "./bench.js";

let bench: Bench;
beforeEach(() => {
  bench = new Bench();
});
afterEach(() => bench.remove());

describe("mistakes in a pipeline file", () => {
  it("unknown key", async () => {
    expect(
      await bench.complaint("name: p\nsteps:\n  numbers:\n    uses: numbers\n    wiht: {count: 3}\n"),
    ).toMatchInlineSnapshot(`
      "error PIPELINE_INVALID: unknown key wiht
        at p.yaml:5:5 (steps.numbers.wiht)
        3 |   numbers:
        4 |     uses: numbers
        5 |     wiht: {count: 3}
          |     ^^^^
        hint: did you mean with?"
    `);
  });

  it("key that occurs twice", async () => {
    expect(
      await bench.complaint("name: p\nsteps:\n  a: {uses: numbers}\n  a: {uses: numbers}\n"),
    ).toMatchInlineSnapshot(`
      "error PIPELINE_INVALID: this key occurs twice in the same map
        at p.yaml:4:3
        2 | steps:
        3 |   a: {uses: numbers}
        4 |   a: {uses: numbers}
          |   ^"
    `);
  });

  it("unknown stage", async () => {
    expect(await bench.complaint("name: p\nsteps:\n  numbers:\n    uses: numbrs\n")).toMatchInlineSnapshot(`
      "error PIPELINE_INVALID: there is no stage numbrs
        at p.yaml:4:11 (steps.numbers.uses)
        2 | steps:
        3 |   numbers:
        4 |     uses: numbrs
          |           ^^^^^^
        hint: did you mean numbers?"
    `);
  });

  it("unknown option", async () => {
    expect(
      await bench.complaint(
        "name: p\nsteps:\n  numbers:\n    uses: numbers\n    with:\n      start: 1\n      conut: 3\n",
      ),
    ).toMatchInlineSnapshot(`
      "error PIPELINE_INVALID: unknown option conut
        at p.yaml:7:7 (steps.numbers.with.conut)
        5 |     with:
        6 |       start: 1
        7 |       conut: 3
          |       ^^^^^
        hint: did you mean count?"
    `);
  });

  it("unknown nested option", async () => {
    expect(
      await bench.complaint(
        "name: p\nsteps:\n  n: {uses: numbers}\n  s:\n    uses: scale\n    in: {numbers: n}\n    with: {nested: {dept: 3}}\n",
      ),
    ).toMatchInlineSnapshot(`
      "error PIPELINE_INVALID: unknown option dept
        at p.yaml:7:21 (steps.s.with.nested.dept)
        5 |     uses: scale
        6 |     in: {numbers: n}
        7 |     with: {nested: {dept: 3}}
          |                     ^^^^
        hint: did you mean depth?"
    `);
  });

  it("option of the wrong type", async () => {
    expect(
      await bench.complaint("name: p\nsteps:\n  numbers:\n    uses: numbers\n    with:\n      count: many\n"),
    ).toMatchInlineSnapshot(`
      "error PIPELINE_INVALID: expected number, received string
        at p.yaml:6:14 (steps.numbers.with.count)
        4 |     uses: numbers
        5 |     with:
        6 |       count: many
          |              ^^^^"
    `);
  });

  it("several at once", async () => {
    expect(
      await bench.complaint(
        "name: p\nsteps:\n  numbers:\n    uses: numbers\n    with:\n      count: 0\n      shape: pladded\n      begin: 3\n",
      ),
    ).toMatchInlineSnapshot(`
      "error PIPELINE_INVALID: too small: expected number to be >0
        at p.yaml:6:14 (steps.numbers.with.count)
        4 |     uses: numbers
        5 |     with:
        6 |       count: 0
          |              ^
        also at p.yaml:7:14: expected one of plain, padded
        also at p.yaml:8:7: unknown option begin"
    `);
  });

  it("option of the wrong type that came through a variable", async () => {
    expect(
      await bench.complaint(
        'name: p\nvariables:\n  n: many\nsteps:\n  numbers:\n    uses: numbers\n    with: {count: "${vars.n}"}\n',
      ),
    ).toMatchInlineSnapshot(`
      "error PIPELINE_INVALID: expected number, received string
        at p.yaml:7:19 (steps.numbers.with.count)
        5 |   numbers:
        6 |     uses: numbers
        7 |     with: {count: "\${vars.n}"}
          |                   ^^^^^^^^^^^
        hint: \${vars.n} is "many""
    `);
  });

  it("required option that is missing", async () => {
    expect(await bench.complaint("name: p\nsteps:\n  ask:\n    uses: fetch-word\n")).toMatchInlineSnapshot(`
      "error PIPELINE_INVALID: server is missing
        at p.yaml:3:3 (steps.ask.with)
        1 | name: p
        2 | steps:
        3 |   ask:
          |   ^^^
        hint: expected string"
    `);
  });

  it("step without uses", async () => {
    expect(await bench.complaint("name: p\nsteps:\n  ask:\n    with: {server: x}\n")).toMatchInlineSnapshot(`
      "error PIPELINE_INVALID: uses is missing
        at p.yaml:3:3 (steps.ask)
        1 | name: p
        2 | steps:
        3 |   ask:
          |   ^^^
        hint: expected string"
    `);
  });

  it("unknown variable", async () => {
    expect(
      await bench.complaint(
        "name: p\nvariables: {count: 3}\nsteps:\n  numbers:\n    uses: numbers\n    with:\n      count: ${vars.cuont}\n",
      ),
    ).toMatchInlineSnapshot(`
      "error PIPELINE_INVALID: there is no variable cuont
        at p.yaml:7:14 (steps.numbers.with.count)
        5 |     uses: numbers
        6 |     with:
        7 |       count: \${vars.cuont}
          |              ^^^^^^^^^^^^^
        hint: did you mean count?"
    `);
  });

  it("unknown service", async () => {
    expect(
      await bench.complaint(
        "name: p\nservices: {word: {uses: word}}\nsteps:\n  ask:\n    uses: fetch-word\n    with:\n      server: ${services.wrod.url}\n",
      ),
    ).toMatchInlineSnapshot(`
      "error PIPELINE_INVALID: there is no service wrod
        at p.yaml:7:15 (steps.ask.with.server)
        5 |     uses: fetch-word
        6 |     with:
        7 |       server: \${services.wrod.url}
          |               ^^^^^^^^^^^^^^^^^^^^
        hint: did you mean word?"
    `);
  });

  it("unknown service type", async () => {
    expect(
      await bench.complaint("name: p\nservices: {word: {uses: wort}}\nsteps: {n: {uses: numbers}}\n"),
    ).toMatchInlineSnapshot(`
      "error PIPELINE_INVALID: there is no service type wort
        at p.yaml:2:25 (services.word.uses)
        1 | name: p
        2 | services: {word: {uses: wort}}
          |                         ^^^^
        hint: did you mean word?"
    `);
  });

  it("unknown property of a service", async () => {
    expect(
      await bench.complaint(
        "name: p\nservices: {word: {uses: word}}\nsteps:\n  ask:\n    uses: fetch-word\n    with:\n      server: ${services.word.uri}\n",
      ),
    ).toMatchInlineSnapshot(`
      "error PIPELINE_INVALID: a service has no uri
        at p.yaml:7:15 (steps.ask.with.server)
        5 |     uses: fetch-word
        6 |     with:
        7 |       server: \${services.word.uri}
          |               ^^^^^^^^^^^^^^^^^^^^
        hint: did you mean url?"
    `);
  });

  it("unknown step as input", async () => {
    expect(
      await bench.complaint(
        "name: p\nsteps:\n  numbers: {uses: numbers}\n  scale:\n    uses: scale\n    in: {numbers: nubmers}\n",
      ),
    ).toMatchInlineSnapshot(`
      "error PIPELINE_INVALID: there is no step nubmers
        at p.yaml:6:19 (steps.scale.in.numbers)
        4 |   scale:
        5 |     uses: scale
        6 |     in: {numbers: nubmers}
          |                   ^^^^^^^
        hint: did you mean numbers? (a path needs a slash: ./nubmers)"
    `);
  });

  it("unknown step inside text", async () => {
    expect(
      await bench.complaint(
        "name: p\nsteps:\n  numbers:\n    uses: numbers\n    with:\n      source: x/${steps.nobody}/file\n",
      ),
    ).toMatchInlineSnapshot(`
      "error PIPELINE_INVALID: there is no step nobody
        at p.yaml:6:17 (steps.numbers.with.source)
        4 |     uses: numbers
        5 |     with:
        6 |       source: x/\${steps.nobody}/file
          |                 ^^^^^^^^^^^^^^^
        hint: known steps: numbers"
    `);
  });

  it("unknown input", async () => {
    expect(
      await bench.complaint(
        "name: p\nsteps:\n  numbers: {uses: numbers}\n  scale:\n    uses: scale\n    in: {number: numbers}\n",
      ),
    ).toMatchInlineSnapshot(`
      "error PIPELINE_INVALID: scale has no input number
        at p.yaml:6:10 (steps.scale.in.number)
        4 |   scale:
        5 |     uses: scale
        6 |     in: {number: numbers}
          |          ^^^^^^
        hint: did you mean numbers?"
    `);
  });

  it("missing input", async () => {
    expect(
      await bench.complaint("name: p\nsteps:\n  numbers: {uses: numbers}\n  scale: {uses: scale}\n"),
    ).toMatchInlineSnapshot(`
      "error PIPELINE_INVALID: scale is missing its input numbers (raw): the numbers
        at p.yaml:4:3 (steps.scale)
        2 | steps:
        3 |   numbers: {uses: numbers}
        4 |   scale: {uses: scale}
          |   ^^^^^
        hint: add in: {numbers: numbers}"
    `);
  });

  it("input of the wrong kind", async () => {
    expect(
      await bench.complaint(
        "name: p\nsteps:\n  numbers: {uses: numbers}\n  scale: {uses: scale, in: {numbers: numbers}}\n  sum:\n    uses: sum\n    in:\n      scaled: numbers\n",
      ),
    ).toMatchInlineSnapshot(`
      "error PIPELINE_INVALID: step numbers makes raw, but scaled takes dialogues or rows
        at p.yaml:8:15 (steps.sum.in.scaled)
        6 |     uses: sum
        7 |     in:
        8 |       scaled: numbers
          |               ^^^^^^^
        hint: steps that make it: scale"
    `);
  });

  it("cycle", async () => {
    expect(
      await bench.complaint(
        "name: p\nsteps:\n  a: {uses: scale, in: {numbers: c}}\n  b: {uses: scale, in: {numbers: a}}\n  c: {uses: scale, in: {numbers: b}}\n",
      ),
    ).toMatchInlineSnapshot(`
      "error PIPELINE_INVALID: steps need each other: a -> c -> b -> a
        at p.yaml:3:34 (steps.a.in.numbers)
        1 | name: p
        2 | steps:
        3 |   a: {uses: scale, in: {numbers: c}}
          |                                  ^
        hint: a step can only read what an earlier one makes"
    `);
  });

  it("cycle through a service", async () => {
    expect(
      await bench.complaint(
        'name: p\nservices:\n  word: {uses: word, with: {file: "${steps.ask}"}}\nsteps:\n  ask: {uses: fetch-word, with: {server: "${services.word.url}"}}\n',
      ),
    ).toMatchInlineSnapshot(`
      "error PIPELINE_INVALID: steps need each other: ask -> ask
        at p.yaml:3:36 (services.word.with.file)
        1 | name: p
        2 | services:
        3 |   word: {uses: word, with: {file: "\${steps.ask}"}}
          |                                    ^^^^^^^^^^^^
        hint: a step can only read what an earlier one makes"
    `);
  });

  it("variables in a circle", async () => {
    expect(
      await bench.complaint(
        'name: p\nvariables: {a: "${vars.b}", b: "${vars.a}"}\nsteps:\n  n: {uses: numbers, with: {count: "${vars.a}"}}\n',
      ),
    ).toMatchInlineSnapshot(`
      "error PIPELINE_INVALID: variables refer to each other: a -> b -> a
        at p.yaml:2:33 (variables.b)
        1 | name: p
        2 | variables: {a: "\${vars.b}", b: "\${vars.a}"}
          |                                 ^^^^^^^^^"
    `);
  });

  it("something that is no reference", async () => {
    expect(
      await bench.complaint("name: p\nsteps:\n  n:\n    uses: numbers\n    with:\n      count: ${env.HOME}\n"),
    ).toMatchInlineSnapshot(`
      "error PIPELINE_INVALID: \${env.HOME} is not a reference
        at p.yaml:6:14 (steps.n.with.count)
        4 |     uses: numbers
        5 |     with:
        6 |       count: \${env.HOME}
          |              ^^^^^^^^^^^
        hint: references are \${vars.NAME}, \${services.NAME.url}, \${steps.NAME} and \${matrix.KEY}"
    `);
  });

  it("reference without quotes in a flow map", async () => {
    expect(
      await bench.complaint("name: p\nvariables: {n: 1}\nsteps:\n  n: {uses: numbers, with: {count: ${vars.n}}}\n"),
    ).toMatchInlineSnapshot(`
      "error PIPELINE_INVALID: not valid YAML: unexpected flow-map-start at node end
        at p.yaml:4:37
        2 | variables: {n: 1}
        3 | steps:
        4 |   n: {uses: numbers, with: {count: \${vars.n}}}
          |                                     ^
        hint: inside { } and [ ] a reference needs quotes: "\${vars.name}""
    `);
  });

  it("broken YAML", async () => {
    expect(await bench.complaint("name: p\nsteps:\n  n: [uses\n")).toMatchInlineSnapshot(`
      "error PIPELINE_INVALID: not valid YAML: flow sequence in block collection must be sufficiently indented and end with a ]
        at p.yaml:4:1
        2 | steps:
        3 |   n: [uses
        4 |
          | ^"
    `);
  });

  it("no map at all", async () => {
    expect(await bench.complaint("just text\n")).toMatchInlineSnapshot(`
      "error PIPELINE_INVALID: a pipeline file is a map with at least name and steps
        at p.yaml:1:1
        1 | just text
          | ^"
    `);
  });

  it("empty file", async () => {
    expect(await bench.complaint("")).toMatchInlineSnapshot(`
      "error PIPELINE_INVALID: a pipeline file is a map with at least name and steps
        at p.yaml:1:1
        1 |
          | ^"
    `);
  });

  it("name that is no name", async () => {
    expect(await bench.complaint("name: ../up\nsteps:\n  a b: {uses: numbers}\n")).toMatchInlineSnapshot(`
      "error PIPELINE_INVALID: a name starts with a letter and holds letters, digits, _ and -
        at p.yaml:1:7 (name)
        1 | name: ../up
          |       ^^^^^
        also at p.yaml:3:3: a name starts with a letter and holds letters, digits, _ and -"
    `);
  });

  it("unknown instance of a matrix", async () => {
    expect(
      await bench.complaint(
        'name: p\nsteps:\n  n: {uses: numbers, matrix: {k: [1, 2]}, with: {count: "${matrix.k}"}}\n  s:\n    uses: scale\n    in: {numbers: "n[k=3]"}\n',
      ),
    ).toMatchInlineSnapshot(`
      "error PIPELINE_INVALID: there is no step n[k=3]
        at p.yaml:6:20 (steps.s.in.numbers)
        4 |   s:
        5 |     uses: scale
        6 |     in: {numbers: "n[k=3]"}
          |                    ^^^^^^
        hint: did you mean n[k=1]?"
    `);
  });

  it("matrix value that is not there", async () => {
    expect(
      await bench.complaint(
        'name: p\nsteps:\n  n:\n    uses: numbers\n    matrix: {k: [1, 2]}\n    with: {count: "${matrix.kk}"}\n',
      ),
    ).toMatchInlineSnapshot(`
      "error PIPELINE_INVALID: there is no matrix value kk here
        at p.yaml:6:20 (steps.n.with.count)
        4 |     uses: numbers
        5 |     matrix: {k: [1, 2]}
        6 |     with: {count: "\${matrix.kk}"}
          |                    ^^^^^^^^^^^^
        hint: did you mean k?"
    `);
  });

  it("--set of a step that is not there", async () => {
    expect(
      await bench.complaint("name: p\nsteps: {numbers: {uses: numbers}}\n", { set: ["steps.number.with.count=3"] }),
    ).toMatchInlineSnapshot(`
      "error USAGE: --set steps.number.with.count=3: the pipeline has no step number
        hint: did you mean numbers?"
    `);
  });

  it("--set of the wrong type", async () => {
    expect(
      await bench.complaint("name: p\nsteps: {numbers: {uses: numbers}}\n", { set: ["steps.numbers.with.count=x"] }),
    ).toMatchInlineSnapshot(`
      "error PIPELINE_INVALID: expected number, received string
        at --set steps.numbers.with.count=x"
    `);
  });

  it("--set without a value, and of something that cannot be set", async () => {
    expect(
      await bench.complaint("name: p\nsteps: {numbers: {uses: numbers}}\n", { set: ["vars.x"] }),
    ).toMatchInlineSnapshot(`
      "error USAGE: --set vars.x has no value
        hint: write --set vars.name=value"
    `);
    expect(
      await bench.complaint("name: p\nsteps: {numbers: {uses: numbers}}\n", { set: ["name=x"] }),
    ).toMatchInlineSnapshot(`
      "error USAGE: --set name=x: name cannot be set
        hint: what can be set: vars.NAME, steps.NAME.with.OPTION, steps.NAME.in.INPUT, services.NAME.with.OPTION, expect.FIGURE"
    `);
  });
});

describe("files that are not there", () => {
  const complaint = async (yaml: string): Promise<string> => {
    bench.write("p.yaml", yaml);
    const error: unknown = await bench.run().catch((thrown: unknown) => thrown);
    if (!isDraftsmithError(error)) throw error;
    return formatError(error).replaceAll(bench.root, "ROOT");
  };

  it("in a list of an option", async () => {
    bench.write("there.txt", "1\n");
    expect(
      await complaint(
        'name: p\nsteps:\n  n: {uses: numbers}\n  s: {uses: scale, in: {numbers: n}}\n  t:\n    uses: sum\n    in: {scaled: s}\n    with:\n      all: [there.txt, "${steps.n}/numbers.txt", gone.txt]\n',
      ),
    ).toMatchInlineSnapshot(`
      "error INPUT_MISSING: ROOT/gone.txt does not exist
        at p.yaml:9:50 (steps.t.with.all.2)
        7 |     in: {scaled: s}
        8 |     with:
        9 |       all: [there.txt, "\${steps.n}/numbers.txt", gone.txt]
          |                                                  ^^^^^^^^
        hint: paths in a pipeline file are relative to the file"
    `);
  });

  it("as an input", async () => {
    expect(await complaint("name: p\nsteps:\n  t:\n    uses: sum\n    in: {scaled: ./gone}\n")).toMatchInlineSnapshot(`
      "error INPUT_MISSING: ROOT/gone does not exist
        at p.yaml:5:18 (steps.t.in.scaled)
        3 |   t:
        4 |     uses: sum
        5 |     in: {scaled: ./gone}
          |                  ^^^^^^
        hint: paths in a pipeline file are relative to the file"
    `);
  });
});
