/** Runs in every test file: its temporary directories go when it ends, after the file's own hooks. */
import { afterAll } from "vitest";
import { removeScratch } from "./scratch.js";

afterAll(removeScratch);
