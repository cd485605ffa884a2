/** Reasons for which only a row of a log is rejected; those of answers are in `src/sglang/judge.ts`. */
export const LOG_REASONS = {
  "log-form": "the row is neither a request with its response nor messages with their ids",
  "not-greedy": "the request does not say temperature 0 or top_k 1",
  "template-arguments-differ": "the request has other template arguments than `log` declares",
  "history-differs": "the request carries more of its dialogue than `log.history` declares",
  "prompt-differs": "the prompt rendered here has other ids than the server's",
  "prompt-not-rendered": "the prompt cannot be rendered here, so its ids cannot be checked",
} as const;
export type LogReason = keyof typeof LOG_REASONS;
