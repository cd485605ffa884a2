/** The two engines that speak this API, and what the client must do differently. */

export type DialectName = "sglang" | "vllm";

export interface Dialect {
  name: DialectName;
  /** Message field that carries thinking, in requests and answers. */
  reasoningField: "reasoning_content" | "reasoning";
  /** Choice field with the stop that matched. */
  stopField: "matched_stop" | "stop_reason";
  /** vLLM leaves the stop field null when an end-of-sequence token stopped the answer; the last id then names it. */
  silentEndOfSequence: boolean;
}

export const DIALECTS: Record<DialectName, Dialect> = {
  sglang: {
    name: "sglang",
    reasoningField: "reasoning_content",
    stopField: "matched_stop",
    silentEndOfSequence: false,
  },
  vllm: { name: "vllm", reasoningField: "reasoning", stopField: "stop_reason", silentEndOfSequence: true },
};
