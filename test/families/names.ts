/** The named targets, and whose turn it is. */
import { execFileSync } from "node:child_process";
import { readdirSync } from "node:fs";
import { join } from "node:path";
import { packageRoot } from "../../src/trainer-process/index.js";

/** Directories of test/model/targets; test/trainer/families makes a tiny checkpoint of each. */
export const FAMILIES = readdirSync(join(packageRoot(), "test", "model", "targets"), { withFileTypes: true })
  .filter((entry) => entry.isDirectory())
  .map(({ name }) => name)
  .sort();

export interface Choice {
  names: string[];
  /** For the output. */
  why: string;
}

/**
 * DRAFTSMITH_FAMILY: `all`, or names with commas. Without it one family, the next with every commit, so that each commit's
 * run can be repeated and a few commits see them all; outside a git checkout the next with every day.
 */
export function chosenFamilies(wanted = process.env.DRAFTSMITH_FAMILY): Choice {
  if (wanted === "all") return { names: [...FAMILIES], why: "all" };
  if (wanted !== undefined && wanted !== "") {
    const names = wanted.split(",").map((name) => name.trim());
    const unknown = names.filter((name) => !FAMILIES.includes(name));
    if (unknown.length > 0) throw new Error(`no family ${unknown.join(", ")}; there are ${FAMILIES.join(", ")}`);
    return { names, why: "DRAFTSMITH_FAMILY" };
  }
  const commits = commitCount();
  const number = commits ?? Math.floor(Date.now() / 86_400_000);
  const name = FAMILIES[number % FAMILIES.length]!;
  const turn = commits === undefined ? `the turn of day ${number}` : `the turn of commit ${number}`;
  return { names: [name], why: `${turn}; DRAFTSMITH_FAMILY=all runs every one` };
}

function commitCount(): number | undefined {
  try {
    const text = execFileSync("git", ["rev-list", "--count", "HEAD"], {
      cwd: packageRoot(),
      encoding: "utf8",
      stdio: ["ignore", "pipe", "ignore"],
    });
    const count = Number(text.trim());
    return Number.isInteger(count) && count > 0 ? count : undefined;
  } catch {
    return undefined;
  }
}
