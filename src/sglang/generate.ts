/** Requests to /generate with prompt ids: gives exact ids on servers whose chat does not return them. */
import { BodyBuilder, type RequestBody, type RequestImage } from "./body.js";
import { GREEDY } from "./sampling.js";

export interface GenerateRequest {
  /** One un-expanded image pad per picture. Never an id outside the vocabulary: it can kill the server. */
  inputIds: readonly number[];
  images: RequestImage[];
  /** /generate's own default is 128, so it is always sent. */
  maxTokens: number;
  stopTokenIds?: number[];
  /** Hidden states of the prompt, from servers that were started to return them. */
  returnStates?: boolean;
}

export const GENERATE_PATH = "/generate";

/** Unknown keys inside sampling_params are refused by SGLang >= 0.5.23: only known ones. */
export function encodeGenerate(request: GenerateRequest): RequestBody {
  const sampling: Record<string, unknown> = { ...GREEDY, max_new_tokens: request.maxTokens };
  if (request.stopTokenIds !== undefined && request.stopTokenIds.length > 0) {
    sampling.stop_token_ids = request.stopTokenIds;
  }
  const body = new BodyBuilder()
    .raw(`{"input_ids":[${request.inputIds.join(",")}],"return_prompt_token_ids":true,"stream":false,`)
    .raw(`"sampling_params":${JSON.stringify(sampling)}`);
  if (request.returnStates === true) body.raw(',"return_hidden_states":true');
  if (request.images.length > 0) {
    body.raw(',"image_data":[');
    request.images.forEach((image, index) => {
      body.raw(index === 0 ? "" : ",").image(image);
    });
    body.raw("]");
  }
  return body.raw("}").build();
}
