export { lastLines, stopChild, trainerEnvironment } from "./child.js";
export { type DoctorFinding, type DoctorReport, type DoctorRequest, runDoctor } from "./doctor.js";
export {
  type EnvironmentRequest,
  ensureEnvironment,
  ensurePython,
  existingEnvironment,
  existingPython,
  type ManagedEnvironment,
  type PythonChoice,
  trainerPackages,
} from "./environment.js";
export { type JobRequest, runJob } from "./job.js";
export * from "./options.js";
export { cacheRoot, packageRoot, requirementsFile, trainerRoot } from "./paths.js";
export { type RunningServer, type ServerRequest, startServer } from "./server.js";
