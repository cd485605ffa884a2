/** The checkpoint that both servers serve. */
import { join } from "node:path";
import { packageRoot } from "../../src/trainer-process/paths.js";

export const MODEL = join(packageRoot(), "fixtures", "tiny-gui");
