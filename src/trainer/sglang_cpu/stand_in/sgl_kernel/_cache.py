"""The cache functions that the DFLASH worker calls on the CPU, in plain PyTorch.

Request r holds row `req_pool_indices[r]` of the table `req_to_token`, which maps a position to a slot of the KV cache.
Both functions treat positions `start[r]..end[r]`; the slots of all requests lie one after the other in one flat tensor.
"""

import torch


def assign_req_to_token_pool_cpu(
    req_pool_indices: torch.Tensor,  # [requests]
    req_to_token: torch.Tensor,  # [pool rows, positions]
    start_offset: torch.Tensor,  # [requests]
    end_offset: torch.Tensor,  # [requests]
    out_cache_loc: torch.Tensor,  # [sum of end - start]
    _pool_width: int,
) -> None:
    """Write the new slots into the table."""
    at = 0
    for row, start, end in zip(req_pool_indices.tolist(), start_offset.tolist(), end_offset.tolist(), strict=True):
        req_to_token[row, start:end] = out_cache_loc[at : at + end - start].to(req_to_token.dtype)
        at += end - start


def assign_extend_cache_locs_cpu(
    req_pool_indices: torch.Tensor,
    req_to_token: torch.Tensor,
    start_offset: torch.Tensor,
    end_offset: torch.Tensor,
    out_cache_loc: torch.Tensor,
    _pool_width: int,
) -> None:
    """Read the slots back from the table into `out_cache_loc`."""
    at = 0
    for row, start, end in zip(req_pool_indices.tolist(), start_offset.tolist(), end_offset.tolist(), strict=True):
        out_cache_loc[at : at + end - start] = req_to_token[row, start:end].to(out_cache_loc.dtype)
        at += end - start


def copy_all_layer_kv_cache_cpu(
    _data_ptrs: torch.Tensor, _strides: torch.Tensor, target: torch.Tensor, source: torch.Tensor
) -> None:
    """Move cache entries. A chain of drafts is accepted from its front, so its entries already lie in place."""
    if not torch.equal(target, source):
        raise NotImplementedError("the CPU stand-in of sgl_kernel cannot move cache entries")
