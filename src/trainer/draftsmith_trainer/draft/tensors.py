"""The backbone's tensor names and shapes as engines expect them, spelled out so that no refactoring renames one."""

from __future__ import annotations

from .config import DraftConfig

Shape = tuple[int, ...]


def backbone_tensors(config: DraftConfig) -> dict[str, Shape]:
    """Name -> shape of every tensor of the backbone in model.safetensors.

    Source: SGLang 0.5.23 and vLLM 0.33 load these names; both silently ignore unknown or missing ones.
    """
    H, D = config.hidden_size, config.head_dim
    made: dict[str, Shape] = {
        "fc.weight": (H, len(config.target_layer_ids) * H),
        "hidden_norm.weight": (H,),
        "norm.weight": (H,),
    }
    for number in range(config.num_hidden_layers):
        made |= {f"layers.{number}.{name}": shape for name, shape in _layer(config, H, D).items()}
    return made


def _layer(config: DraftConfig, H: int, D: int) -> dict[str, Shape]:
    Q, KV, F = config.num_attention_heads * D, config.num_key_value_heads * D, config.intermediate_size
    made: dict[str, Shape] = {
        "input_layernorm.weight": (H,),
        "mlp.down_proj.weight": (H, F),
        "mlp.gate_proj.weight": (F, H),
        "mlp.up_proj.weight": (F, H),
        "post_attention_layernorm.weight": (H,),
        "self_attn.k_norm.weight": (D,),
        "self_attn.k_proj.weight": (KV, H),
        "self_attn.o_proj.weight": (H, Q),
        "self_attn.q_norm.weight": (D,),
        "self_attn.q_proj.weight": (Q, H),
        "self_attn.v_proj.weight": (KV, H),
    }
    if config.attention_bias:
        sizes = {"k_proj": KV, "o_proj": H, "q_proj": Q, "v_proj": KV}
        made |= {f"self_attn.{name}.bias": (size,) for name, size in sizes.items()}
    return made
