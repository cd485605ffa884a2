/** Makes SGLang's environment before any test of the suite; at once when it is there. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { sglangScript } from "./python.js";

export default async function setup(): Promise<void> {
  const { python, path } = await sglangScript("build.py");
  const child = spawn(python, [path], { stdio: ["ignore", "ignore", "inherit"] });
  const [code] = await once(child, "close");
  if (code !== 0) throw new Error("SGLang's environment could not be made; the reason stands above");
}
