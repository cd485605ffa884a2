/** Options that every tensor job of the trainer takes. */
import { z } from "zod";

export const dtypeSchema = z.enum(["auto", "fp32", "bf16"]).default("auto").describe("auto: bf16 on CUDA, fp32 on CPU");
export const deviceSchema = z.enum(["auto", "cpu", "cuda"]).default("auto").describe("where the tensors live");
export const attentionSchema = z
  .enum(["auto", "sdpa", "split", "flex"])
  .default("auto")
  .describe("attention implementation of the draft; auto: split on CPU, sdpa on CUDA");
export const threadsSchema = z
  .number()
  .int()
  .positive()
  .nullable()
  .default(null)
  .describe("CPU threads of the trainer; null: its own choice");
