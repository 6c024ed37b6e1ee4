"""Scales as GEMMs read them: rows next to each other, in columns with room for whole tiles."""

from __future__ import annotations

import torch

from ..._torch.errors import describe, invalid
from .math import align


def get_tma_aligned_size(mn: int, element_size: int) -> int:
    """``mn`` rounded up to a multiple of 16 bytes."""
    return align(mn, 16 // element_size)


def scale_rows(rows: int) -> int:
    """Rows of a column of scales with room for ``rows``: GEMMs load scales by the tile, 128 rows at most."""
    return align(rows, 128)


def rows_of_columns(scales: torch.Tensor) -> int:
    """R of scales ``[groups, rows, k / 128]`` with strides ``(R * k / 128, 1, R)``, which is how GEMMs read them; 0 for
    other strides, for columns that are no multiple of 16 bytes, and where the last column is not all there."""
    groups, rows, columns = scales.shape
    group_stride, row_stride, room = scales.stride()
    if (
        (row_stride != 1 and rows != 1)
        or room < rows
        or room % 4 != 0
        or (group_stride != room * columns and groups != 1)
        or scales.data_ptr() % 16 != 0
    ):
        return 0
    # A view may end before its last column does.
    end = scales.storage_offset() + groups * columns * room
    return room if rows == room or end * scales.element_size() <= scales.untyped_storage().nbytes() else 0


def get_mn_major_tma_aligned_tensor(scales: torch.Tensor) -> torch.Tensor:
    """Scales ``[rows, k / 128]`` or ``[groups, rows, k / 128]`` of any strides, float32 or int32, in that layout; the
    tensor itself if it is so already."""
    if scales.dim() not in (2, 3) or scales.element_size() != 4:
        raise invalid("scales", describe(scales), "float32 or int32 [rows, k / 128] or [groups, rows, k / 128]")
    batched = scales if scales.dim() == 3 else scales.unsqueeze(0)
    if rows_of_columns(batched) < scale_rows(batched.shape[1]):
        groups, rows, columns = batched.shape
        memory = torch.zeros((groups, columns, scale_rows(rows)), dtype=scales.dtype, device=scales.device)
        target = memory.transpose(1, 2)[:, :rows]
        target.copy_(batched)
        batched = target
    return batched if scales.dim() == 3 else batched.squeeze(0)


#: An older name of the same.
get_col_major_tma_aligned_tensor = get_mn_major_tma_aligned_tensor
