/** Options that every tensor job of the trainer takes. */
import { z } from "zod";

export const dtypeSchema = z.enum(["auto", "fp32", "bf16"]).default("auto").describe("auto: bf16 on CUDA, fp32 on CPU");
export const deviceSchema = z.enum(["auto", "cpu", "cuda"]).default("auto").describe("where the tensors live");
export const attentionSchema = z
  .enum(["auto", "sdpa", "split", "flex", "kernel"])
  .default("auto")
  .describe("attention implementation of the draft; auto: split on CPU; on CUDA kernel (ours) in bf16, sdpa in fp32");
export const threadsSchema = z
  .number()
  .int()
  .positive()
  .nullable()
  .default(null)
  .describe("CPU threads of the trainer; null: its own choice");
export const packTokensSchema = z
  .number()
  .int()
  .min(128)
  .default(16384)
  .describe("tokens of several rows that the target reads in one pass on a GPU, each row by itself");
export const slowRecurrenceSchema = z
  .boolean()
  .default(false)
  .describe(
    "on a GPU without flash-linear-attention, run recurrent-state layers (Qwen3.5, 3.6) in PyTorch, row by row",
  );
