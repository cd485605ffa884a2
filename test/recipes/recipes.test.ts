/** The recipes: syntax, YAML, and every draftsmith command of theirs run by bash against the real command line. */
import { execFile } from "node:child_process";
import { chmod, cp, mkdir, readdir, readFile, writeFile } from "node:fs/promises";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { parseAllDocuments } from "yaml";
import { type Stub, startStub } from "../sglang-client/stub-server.js";
import { dialogues, temporaryDirectory } from "../stages/regenerate/harness.js";
import { sealedDialogues } from "../stages/regenerate/sealed.js";
import { Workbench } from "../stages/tokenize/workbench.js";
import { trainShards } from "../stages/train/train-shards.js";
import { TINY_GUI } from "../tokens/reference.js";

const ROOT = join(import.meta.dirname, "../..");
const RECIPES = join(ROOT, "configs/recipes");
const run = promisify(execFile);

let stub: Stub;
let root: string;
let path: string;

/** What the recipes call, by stand-ins in a directory of their own; draftsmith is the real one. */
beforeAll(async () => {
  stub = await startStub();
  root = await temporaryDirectory();
  const bin = join(root, "bin");
  await mkdir(bin);
  path = `${bin}:${process.env.PATH}`;
  const command = async (name: string, text: string): Promise<void> => {
    await writeFile(join(bin, name), `#!/bin/bash\n${text}\n`);
    await chmod(join(bin, name), 0o755);
  };
  // The stub stands at the network edge: addresses of the recipe's own server lead there, and the model has no files.
  await command(
    "draftsmith",
    `args=(); while (($#)); do case "$1" in --servers) args+=(--servers ${stub.url}); shift;; --model) shift;; *) args+=("\${1//\\/data/${root}}");; esac; shift; done
     exec "${process.execPath}" --import ${import.meta.resolve("tsx")} "${ROOT}/src/cli/main.ts" "\${args[@]}"`,
  );
  await command("python", "exec sleep 600");
  await sealedDialogues(join(root, "dialogues"), dialogues(12));
});
afterAll(() => stub.close());

async function bash(args: string[], env: Record<string, string>): Promise<string> {
  const { stdout } = await run("bash", args, { cwd: root, env: { ...process.env, PATH: path, ...env } });
  return stdout;
}

interface Job {
  kind: string;
  metadata: { name: string };
  spec: {
    completionMode?: string;
    completions?: number;
    template: {
      spec: {
        subdomain?: string;
        containers: { command: string[]; args: string[]; env: { name: string; value: string }[] }[];
      };
    };
  };
}

async function documents(name = "kubernetes-regenerate.yaml"): Promise<Job[]> {
  const text = await readFile(join(RECIPES, name), "utf8");
  return parseAllDocuments(text).map((document) => {
    expect(document.errors).toEqual([]);
    return document.toJS() as Job;
  });
}

describe("the recipes", () => {
  it("are shell that bash can read", async () => {
    const scripts = (await readdir(RECIPES)).filter((name) => /\.(sh|sbatch)$/.test(name));
    expect(scripts).toHaveLength(4);
    for (const name of scripts) {
      await run("bash", ["-n", join(RECIPES, name)]);
      expect(await readFile(join(RECIPES, name), "utf8")).toContain("set -euo pipefail");
    }
  });

  it("build an image of what the package holds, in the variants that Kubernetes runs", async () => {
    const dockerfile = await readFile(join(RECIPES, "Dockerfile"), "utf8");
    const variants = [...dockerfile.matchAll(/^FROM \S+ AS (\w+)$/gm)].map((match) => match[1]);
    expect(variants).toEqual(["data", "trainer"]);
    const used = ["kubernetes-regenerate.yaml", "kubernetes-train.yaml"].map(async (name) =>
      [...(await readFile(join(RECIPES, name), "utf8")).matchAll(/image: draftsmith:(\w+)/g)].map((match) => match[1]),
    );
    expect(await Promise.all(used)).toEqual([["data", "data"], ["trainer"]]);
    const { stdout } = await run("npm", ["pack", "--dry-run", "--json", "--ignore-scripts"], { cwd: ROOT });
    const [packed] = JSON.parse(stdout) as [{ filename: string; files: { path: string }[] }];
    const source = /^ADD (\S+) \/opt\/$/m.exec(dockerfile)![1]!;
    expect(packed.filename).toMatch(new RegExp(`^${source.replaceAll(".", "\\.").replace("*", ".+")}$`));
    // Paths of the unpacked archive; dist is there only in a built tree.
    const held = new Set([...packed.files.map(({ path }) => path), "dist/cli/main.js", "package-lock.json"]);
    const named = [...dockerfile.matchAll(/\/opt\/package\/([\w./-]+\w)/g)].map((match) => match[1]!);
    expect(named).toContain("src/trainer/requirements.txt");
    for (const path of named) expect(held).toContain(path);
  }, 60_000);

  it("for Slurm answer every part and merge them", async () => {
    const curl = join(root, "bin", "curl");
    await writeFile(curl, "#!/bin/bash\nexit 0\n");
    await chmod(curl, 0o755);
    const env = { DATA: join(root, "dialogues"), OUT: join(root, "slurm"), PARTS: "2" };
    for (const part of ["0", "1"]) {
      const task = { SLURM_ARRAY_TASK_ID: part, SLURM_ARRAY_TASK_COUNT: "2" };
      await bash([join(RECIPES, "slurm-regenerate.sbatch")], { ...env, ...task });
    }
    await bash([join(RECIPES, "slurm-merge.sbatch")], env);
    const rows = (await readFile(join(root, "slurm/merged/generations.jsonl"), "utf8")).split("\n").slice(0, -1);
    expect(rows.map((row) => (JSON.parse(row) as { id: string }).id)).toEqual(dialogues(12).map(({ id }) => id));
  }, 60_000);

  it("for Kubernetes are Jobs whose commands answer every part and merge them", async () => {
    const [ask, merge] = await documents();
    expect(ask).toMatchObject({ kind: "Job", spec: { completionMode: "Indexed", completions: 8 } });
    const containers = [ask!, merge!].map(({ spec }) => spec.template.spec.containers[0]!);
    for (const { env, command } of containers) {
      expect(env).toEqual([{ name: "PARTS", value: String(ask!.spec.completions) }]);
      expect(command).toEqual(["bash", "-euc"]);
    }
    // Two parts instead of eight; every path below /data is moved by the stand-in.
    for (const index of ["0", "1"])
      await bash(["-euc", containers[0]!.args[0]!], { JOB_COMPLETION_INDEX: index, PARTS: "2" });
    await bash(["-euc", containers[1]!.args[0]!], { PARTS: "2" });
    const manifest = JSON.parse(await readFile(join(root, "generations/merged/manifest.json"), "utf8")) as {
      counts: object;
    };
    expect(manifest.counts).toMatchObject({ read: 12, kept: 12 });
  }, 60_000);

  describe("for training on several machines", () => {
    /** Every node plans what it would run: options and inputs are checked as a run checks them, and nothing starts. */
    const planner = async (): Promise<void> => {
      const text = `args=(); while (($#)); do case "$1" in --model) args+=(--model "${TINY_GUI}"); shift;; *) args+=("\${1//\\/data/${root}}");; esac; shift; done
        printf '%s ' "\${args[@]}" | tr '\\n' ' '; echo
        exec "${process.execPath}" --import ${import.meta.resolve("tsx")} "${ROOT}/src/cli/main.ts" "\${args[@]}" --dry-run`;
      await writeFile(join(root, "bin/draftsmith"), `#!/bin/bash\n${text}\n`);
    };
    let bench: Workbench;
    beforeAll(async () => {
      bench = await Workbench.open();
      const { path } = await trainShards(bench, { train: [60, 70], heldout: [40] });
      await cp(path, join(root, "shards"), { recursive: true });
    });
    afterAll(() => bench.close());

    const expectNode = (told: string, rank: number, rendezvous: string): void => {
      expect(told).toContain(`--node-rank ${rank} --rendezvous ${rendezvous}`);
      expect(told).toContain("steps: 5 of 32 rows on 16 processes");
    };

    it("Slurm gives every node its rank and the first node's address", async () => {
      await planner();
      const bin = join(root, "bin");
      await writeFile(
        join(bin, "scontrol"),
        '#!/bin/bash\n[[ "$*" == "show hostnames node[7-8]" ]] && printf "node7\\nnode8\\n" || echo "scontrol $*"\n',
      );
      const tasks = 'for SLURM_NODEID in 0 1; do export SLURM_NODEID; "$@"; done';
      await writeFile(join(bin, "srun"), `#!/bin/bash\nset -e\nwhile [[ $1 == --* ]]; do shift; done\n${tasks}\n`);
      for (const name of ["scontrol", "srun"]) await chmod(join(bin, name), 0o755);
      const told = await bash([join(RECIPES, "slurm-train.sbatch")], {
        ...{ SHARDS: join(root, "shards"), OUT: join(root, "checkpoints"), SLURM_GPUS_ON_NODE: "8" },
        ...{ SLURM_JOB_NODELIST: "node[7-8]", SLURM_JOB_ID: "40003", SLURM_NNODES: "2" },
      });
      const nodes = told.split(/(?=^train --in)/m);
      expect(nodes).toHaveLength(2);
      for (const [rank, text] of nodes.entries()) expectNode(text, rank, "node7:20003");
    }, 60_000);

    it.each([
      [130, "scontrol requeue 40003\n"],
      [12, ""],
      [0, ""],
    ])("Slurm's job that ends with %i goes back into the queue, or not", async (code, queued) => {
      const bin = join(root, "bin");
      const files = {
        scontrol: '[[ "$1" == show ]] && echo node7 || echo "scontrol $*"',
        srun: `exit ${code}`,
      };
      for (const [name, text] of Object.entries(files)) {
        await writeFile(join(bin, name), `#!/bin/bash\n${text}\n`);
        await chmod(join(bin, name), 0o755);
      }
      const variables = { SLURM_JOB_NODELIST: "node7", SLURM_JOB_ID: "40003", SLURM_NNODES: "1" };
      const ended = await bash([join(RECIPES, "slurm-train.sbatch")], variables).then(
        (stdout) => ({ code: 0, stdout }),
        (error: { code: number; stdout: string }) => error,
      );
      expect(ended).toMatchObject({ code, stdout: queued });
    });

    it("Kubernetes gives every pod its index and pod 0's name", async () => {
      await planner();
      const [service, job] = await documents("kubernetes-train.yaml");
      const { completionMode, completions, template } = job!.spec;
      expect([completionMode, completions]).toEqual(["Indexed", 2]);
      const { containers, subdomain } = template.spec;
      const name = service!.metadata.name;
      expect([job!.metadata.name, subdomain]).toEqual([name, name]);
      const { command, args, env } = containers[0]!;
      expect(command).toEqual(["bash", "-euc"]);
      const variables = Object.fromEntries(env.map((each) => [each.name, each.value]));
      expect(variables.NODES).toBe(String(completions));
      for (const rank of [0, 1]) {
        const told = await bash(["-euc", args[0]!], { ...variables, JOB_COMPLETION_INDEX: String(rank) });
        expectNode(told, rank, `${name}-0.${name}:29500`);
      }
    }, 60_000);
  });

  it("take the servers behind a gateway from its list of workers", async () => {
    const worker = (url: string, more = {}) => ({
      url,
      model_id: "m",
      worker_type: "regular",
      is_healthy: true,
      ...more,
    });
    let workers = [
      worker("http://b:1"),
      worker("http://a:1@0"),
      worker("http://a:1@1"),
      worker("grpc://c:1"),
      worker("http://d:1", { is_healthy: false }),
    ];
    const gateway = createServer((request, response) => {
      response.end(request.url === "/workers" ? JSON.stringify({ workers, total: workers.length }) : "{}");
    });
    await new Promise<void>((resolve) => gateway.listen(0, "127.0.0.1", resolve));
    const GATEWAY = `http://127.0.0.1:${(gateway.address() as AddressInfo).port}`;
    try {
      // Without the stand-in for curl.
      const env = { ...process.env, GATEWAY };
      const script = join(RECIPES, "gateway-servers.sh");
      const { stdout } = await run("bash", [script], { env });
      expect(stdout).toBe("--servers\nhttp://a:1\n--servers\nhttp://b:1\n");
      workers = workers.slice(4);
      await expect(run("bash", [script], { env })).rejects.toMatchObject({
        stderr: expect.stringContaining("none of 1 workers") as string,
      });
    } finally {
      gateway.close();
    }
  });
});
