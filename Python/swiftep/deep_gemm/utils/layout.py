"""Scales as GEMMs read them: rows next to each other, in columns of a multiple of 16 bytes."""

from __future__ import annotations

import torch

from ..._torch.errors import describe, invalid
from .math import align


def get_tma_aligned_size(mn: int, element_size: int) -> int:
    """``mn`` rounded up to a multiple of 16 bytes."""
    return align(mn, 16 // element_size)


def is_mn_major_tma_aligned(scales: torch.Tensor) -> bool:
    """Whether scales ``[groups, rows, k / 128]`` lie with strides ``(R * k / 128, 1, R)``, R rows rounded up to 16
    bytes."""
    groups, rows, columns = scales.shape
    aligned = get_tma_aligned_size(rows, scales.element_size())
    stride = scales.stride()
    return (
        (rows == 1 or stride[1] == 1)
        and (columns == 1 or stride[2] == aligned)
        and (groups == 1 or stride[0] == aligned * columns)
        and scales.data_ptr() % 16 == 0
    )


def get_mn_major_tma_aligned_tensor(scales: torch.Tensor) -> torch.Tensor:
    """Scales ``[rows, k / 128]`` or ``[groups, rows, k / 128]`` of any strides, float32 or int32, in that layout; the
    tensor itself if it is so already."""
    if scales.dim() not in (2, 3) or scales.element_size() != 4:
        raise invalid("scales", describe(scales), "float32 or int32 [rows, k / 128] or [groups, rows, k / 128]")
    batched = scales if scales.dim() == 3 else scales.unsqueeze(0)
    if not is_mn_major_tma_aligned(batched):
        groups, rows, columns = batched.shape
        aligned = get_tma_aligned_size(rows, 4)
        memory = torch.zeros((groups, columns, aligned), dtype=scales.dtype, device=scales.device)
        target = memory.transpose(1, 2)[:, :rows]
        target.copy_(batched)
        batched = target
    return batched if scales.dim() == 3 else batched.squeeze(0)


#: An older name of the same.
get_col_major_tma_aligned_tensor = get_mn_major_tma_aligned_tensor
