/** Options of `merge`. */
import { z } from "zod";

export const mergeOptionsSchema = z.strictObject({
  parts: z
    .array(z.string().min(1))
    .min(1)
    .describe("directories of the parts that `regenerate` made with `partition`, all of them, in any order"),
});
export type MergeOptions = z.infer<typeof mergeOptionsSchema>;
