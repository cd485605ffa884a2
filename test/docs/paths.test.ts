/** Documents name files that exist: a path that was moved fails here instead of misleading a reader. */
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";

const ROOT = fileURLToPath(new URL("../..", import.meta.url));

/** Every page of the tree; the changelog speaks of the past. */
const PAGES = [
  ...readdirSync(ROOT),
  ...["configs", "fixtures", "pipelines", "src", "test"].flatMap((folder) =>
    readdirSync(join(ROOT, folder), { recursive: true, encoding: "utf8" }).map((file) => `${folder}/${file}`),
  ),
].filter((path) => path.endsWith(".md") && path !== "CHANGELOG.md" && !/\/[._]/.test(path));

/** Paths from the root in code spans, and link targets, which are relative to the page. */
function namedPaths(page: string): string[] {
  const text = readFileSync(join(ROOT, page), "utf8");
  const spans = [...text.matchAll(/`((?:src|test|configs|pipelines|fixtures|\.ci)\/[\w./@-]+)`/g)].map(
    ([, path]) => path!,
  );
  const links = [...text.matchAll(/\]\(([^)#\s]+)[^)]*\)/g)]
    .map(([, target]) => target!)
    .filter((target) => !/^[a-z]+:/.test(target))
    .map((target) => join(dirname(page), target));
  return [...new Set([...spans, ...links])];
}

describe("the documents", () => {
  it("include the pages that a newcomer needs", () => {
    for (const page of ["README.md", "CONTRIBUTING.md", "src/README.md"]) expect(PAGES).toContain(page);
    expect(namedPaths("src/README.md").length).toBeGreaterThan(40);
  });

  it.each(PAGES)("%s names only paths that exist", (page) => {
    expect(namedPaths(page).filter((path) => !existsSync(join(ROOT, path)))).toEqual([]);
  });

  it("the architecture page has a line for every room, and no other", () => {
    const rooms = readdirSync(join(ROOT, "src"), { withFileTypes: true })
      .filter((entry) => entry.isDirectory() && entry.name !== "trainer")
      .map(({ name }) => `src/${name}`);
    const told = [...readFileSync(join(ROOT, "src/README.md"), "utf8").matchAll(/^\| \[?`(src\/[\w-]+)`/gm)].map(
      ([, room]) => room!,
    );
    expect(told.sort()).toEqual(rooms.sort());
  });
});
