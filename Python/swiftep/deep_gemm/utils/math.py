"""FP8 operands and a comparison of results, for tests."""

from __future__ import annotations

import torch

from ...deep_ep.utils.math import align, ceil_div, per_token_cast_to_fp8

__all__ = ["align", "calc_diff", "ceil_div", "per_block_cast_to_fp8", "per_token_cast_to_fp8"]


def per_block_cast_to_fp8(weight: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """``[…, n, k]`` as FP8, with float32 scales ``[…, n / 128, k / 128]``."""
    *lead, n, k = weight.shape
    blocks = weight.float().view(*lead, n // 128, 128, k // 128, 128)
    maxima = blocks.abs().amax(dim=(-3, -1), keepdim=True).clamp_min(1e-4)
    values = (blocks * (448.0 / maxima)).to(torch.float8_e4m3fn)
    return values.view(*lead, n, k), (maxima / 448.0).view(*lead, n // 128, k // 128)


def calc_diff(x: torch.Tensor, y: torch.Tensor) -> float:
    """A cosine distance of two tensors: 0 to 2."""
    a, b = x.double(), y.double()
    total = (a.square() + b.square()).sum()
    return 0.0 if total == 0 else (1 - 2 * (a * b).sum() / total).item()
