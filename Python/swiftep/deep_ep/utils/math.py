"""FP8 rows in PyTorch, and ways to compare."""

from __future__ import annotations

import torch

_LARGEST = 448.0
_SMALLEST_MAXIMUM = 1e-4


def ceil_div(x: int, y: int) -> int:
    return -(-x // y)


def align(x: int, y: int) -> int:
    return ceil_div(x, y) * y


def calc_diff(x: torch.Tensor, y: torch.Tensor) -> float:
    """A cosine distance of two tensors, both shifted by 1 so that zeros count: 0 to 2."""
    if x.numel() == 0:
        return 0.0
    a, b = x.double() + 1, y.double() + 1
    return (1 - 2 * (a * b).sum() / (a.square() + b.square()).sum()).item()


def hash_tensor(tensor: torch.Tensor) -> int:
    """A number that tells tensors with different bits apart, whatever the order of their rows: a sum of words."""
    tensor = tensor.contiguous()
    words = tensor.view(torch.int32) if (tensor.numel() * tensor.element_size()) % 4 == 0 else tensor.view(torch.uint8)
    return int(words.long().sum().item())


def per_token_cast_to_fp8(x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """``[rows, channels]`` as FP8, with float32 scales ``[rows, channels / 128]``."""
    rows, channels = x.shape
    groups = x.float().view(rows, channels // 128, 128)
    maxima = groups.abs().amax(dim=2, keepdim=True).clamp_min(_SMALLEST_MAXIMUM)
    values = (groups * (_LARGEST / maxima)).to(torch.float8_e4m3fn)
    return values.view(rows, channels), (maxima / _LARGEST).view(rows, channels // 128)


def per_token_cast_back(x_fp8: torch.Tensor, x_scales: torch.Tensor) -> torch.Tensor:
    """FP8 rows and their scales (float32, or exponents packed four to an int32) as bfloat16."""
    if x_fp8.numel() == 0:
        return x_fp8.to(torch.bfloat16)
    if x_scales.dtype == torch.int32:
        exponents = x_scales.clone(memory_format=torch.contiguous_format).view(torch.uint8).to(torch.int32)
        x_scales = (exponents << 23).view(torch.float32)
    rows, channels = x_fp8.shape
    groups = x_fp8.float().view(rows, channels // 128, 128)
    return (groups * x_scales.reshape(rows, channels // 128, 1)).view(rows, channels).to(torch.bfloat16)
