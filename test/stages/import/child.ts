/** Child process of the crash test: runs the import of a world in the given directories. */
import { silentSink } from "../../../src/events/index.js";
import { importOptionsSchema } from "../../../src/stages/import/options.js";
import { runImport } from "../../../src/stages/import/run.js";

const { source, images, workDir, resumeDir } = JSON.parse(process.argv[2]!) as Record<string, string>;
const options = importOptionsSchema.parse({ source: [source], imageRoots: [images] });
const signal = new AbortController().signal;
await runImport(options, {
  step: "import",
  events: silentSink,
  signal,
  workDir: workDir!,
  resumeDir: resumeDir!,
  limit: undefined,
});
