/** The command lines that serve a target with a draft. Sources: SGLang 0.5.23 and vLLM 0.33, read and started. */
import type { DraftConfig } from "../../model/index.js";

export interface LaunchLines {
  engines: { name: string; lines: string[] }[];
  /** What a user of this target must know, as paragraphs. */
  notes: string[];
}

/** SGLang's algorithm and vLLM's method by the architecture in the draft's config.json. */
const ENGINES: Readonly<Record<string, { sglang: string; vllm: string; anchorPredicts: boolean }>> = {
  DFlashDraftModel: { sglang: "DFLASH", vllm: "dflash", anchorPredicts: false },
  DFlash2DraftModel: { sglang: "DFLASH", vllm: "dflash", anchorPredicts: false },
  LiLiCorrDraftModel: { sglang: "DFLASH", vllm: "dflash", anchorPredicts: false },
  Qwen3DSparkModel: { sglang: "DSPARK", vllm: "dspark", anchorPredicts: true },
};

export function launchLines(draft: DraftConfig, modelType: string): LaunchLines {
  const architecture = draft.architectures[0]!;
  const engine = ENGINES[architecture];
  const block = draft.dflash_config.block_size ?? draft.block_size;
  if (engine === undefined || block === undefined || block === null) {
    return { engines: [], notes: [`How engines are started with a ${architecture}, their own documentation says.`] };
  }
  // A block of B places holds the anchor and B - 1 drafted tokens, unless the anchor's place predicts as well.
  const drafted = engine.anchorPredicts ? block : block - 1;
  const vllm = { method: engine.vllm, model: "DRAFT", num_speculative_tokens: drafted };
  return {
    engines: [
      {
        name: "SGLang",
        lines: [
          "python -m sglang.launch_server --model-path TARGET \\",
          `  --speculative-algorithm ${engine.sglang} --speculative-draft-model-path DRAFT \\`,
          `  --speculative-num-draft-tokens ${drafted + 1}`,
        ],
      },
      { name: "vLLM", lines: [`vllm serve TARGET --speculative-config '${JSON.stringify(vllm)}'`] },
    ],
    notes:
      modelType === "qwen3_vl"
        ? ["SGLang up to 0.5.23 cannot start a dense Qwen3-VL with a draft (`set_dflash_layers_to_capture`); vLLM can."]
        : [],
  };
}
