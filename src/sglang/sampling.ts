/**
 * Greedy, said in full: a field left out would come from the model's generation_config.json.
 * presence and frequency default to 0 in SGLang but not in vLLM.
 */
export const GREEDY = {
  temperature: 0,
  top_p: 1,
  top_k: -1,
  min_p: 0,
  repetition_penalty: 1,
  presence_penalty: 0,
  frequency_penalty: 0,
} as const;
