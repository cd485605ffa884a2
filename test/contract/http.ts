/** The few shapes of answers that the contract tests read, and a plain client for them. */

export interface Answer<T> {
  status: number;
  headers: Headers;
  text: string;
  /** Undefined when the body is not JSON. */
  json: T | undefined;
}

export interface MetaInfo {
  id: string;
  finish_reason: { type: string; matched?: number | string; length?: number };
  prompt_tokens: number;
  completion_tokens: number;
  cached_tokens: number;
  image_tokens?: number;
  weight_version: string;
  e2e_latency: number;
  spec_verify_ct?: number;
  spec_num_correct_drafts?: number;
  spec_num_proposed_drafts?: number;
  spec_accept_length?: number;
  spec_correct_drafts_histogram?: number[];
}

export interface ChatChoice {
  index: number;
  message: { role: string; content: string | null; reasoning_content: string | null };
  logprobs: null;
  finish_reason: string;
  matched_stop: number | string | null;
  prompt_token_ids?: number[];
  response_token_ids?: number[];
  meta_info?: MetaInfo;
}

export interface ChatAnswer {
  id: string;
  object: string;
  created: number;
  model: string;
  choices: ChatChoice[];
  usage: { prompt_tokens: number; completion_tokens: number; total_tokens: number };
  sglext?: { input_ids?: number[]; output_ids?: number[][] };
}

export interface GenerateAnswer {
  text: string;
  output_ids: number[];
  meta_info: MetaInfo;
  prompt_token_ids?: number[];
}

export type Part = { type: "text"; text: string } | { type: "image_url"; image_url: { url: string } };

export interface Message {
  role: "system" | "user" | "assistant" | "tool";
  content: string | Part[];
}

export async function call<T>(url: string, path: string, init: RequestInit = {}): Promise<Answer<T>> {
  const response = await fetch(url + path, init);
  const text = await response.text();
  let json: T | undefined;
  try {
    json = JSON.parse(text) as T;
  } catch {
    json = undefined;
  }
  return { status: response.status, headers: response.headers, text, json };
}

export function post<T>(
  url: string,
  path: string,
  body: unknown,
  headers: Record<string, string> = {},
): Promise<Answer<T>> {
  return call<T>(url, path, {
    method: "POST",
    headers: { "content-type": "application/json", ...headers },
    body: typeof body === "string" ? body : JSON.stringify(body),
  });
}

/** A body that must be there. */
export function bodyOf<T>(answer: Answer<T>): T {
  if (answer.status !== 200 || answer.json === undefined) {
    throw new Error(`status ${answer.status}: ${answer.text.slice(0, 500)}`);
  }
  return answer.json;
}

/** A greedy chat request with ids, answered. */
export async function chat(url: string, messages: Message[], more: Record<string, unknown> = {}): Promise<ChatChoice> {
  const answer = await post<ChatAnswer>(url, "/v1/chat/completions", {
    messages,
    temperature: 0,
    repetition_penalty: 1,
    max_tokens: 48,
    return_prompt_token_ids: true,
    return_token_ids: true,
    return_meta_info: true,
    ...more,
  });
  const choice = bodyOf(answer).choices[0];
  if (choice === undefined) throw new Error(`no choice in ${answer.text}`);
  return choice;
}

/** Ids of a conversation before its image placeholders are expanded. */
export async function tokenize(
  url: string,
  messages: Message[],
  more: Record<string, unknown> = {},
): Promise<number[]> {
  const answer = await post<{ tokens: number[]; count: number }>(url, "/tokenize", { messages, ...more });
  const { tokens, count } = bodyOf(answer);
  if (tokens.length !== count) throw new Error(`count ${count} for ${tokens.length} tokens`);
  return tokens;
}
