"""The masked grouped GEMM, with DeepGEMM's signature."""

from __future__ import annotations

from typing import Any, Optional, Sequence, Union

import torch

from .. import _library
from .._errors import Error
from .._torch import devices
from .._torch.errors import Unsupported, describe, fail, invalid
from . import multiprocessors
from .utils.layout import get_mn_major_tma_aligned_tensor, rows_of_columns
from .utils.math import ceil_div
from .weights import Packed, find

#: Rows of a tile when signals are raised: engines make room for one signal for each 64 rows.
SIGNAL_BLOCK_M = 64

_BLOCKS = (16, 32, 64, 128)

Operand = tuple[torch.Tensor, torch.Tensor]


def m_grouped_fp8_gemm_nt_masked(
    a: Operand,
    b: Union[Operand, Packed],
    d: torch.Tensor,
    masked_m: torch.Tensor,
    expected_m: int,
    recipe: Optional[Sequence[int]] = None,
    compiled_dims: str = "nk",
    disable_ue8m0_cast: bool = False,
    max_block_n: int = 256,
    enable_overlap: bool = False,
    signal: Optional[torch.Tensor] = None,
    recipe_a: Optional[Sequence[int]] = None,
    recipe_b: Optional[Sequence[int]] = None,
) -> tuple[Optional[int], Optional[int]]:
    """``d[g] = a[g] x b[g]^T`` for the first ``masked_m[g]`` rows of each group, on the current stream.

    a: float8_e4m3fn ``[groups, m, k]``, contiguous, and its scales ``[groups, m, k / 128]``, float32 of any strides, or
        int32 ``[groups, m, k / 512]`` with four exponents each. Scales as the dispatch returns them are read in place.
    b: float8_e4m3fn ``[groups, n, k]``, contiguous, and float32 scales ``[groups, n / 128, k / 128]``; packed at the
        first call (see ``pack``). Or what ``pack`` returned.
    d: bfloat16 ``[groups, m, n]``, contiguous. Other rows of it are undefined.
    masked_m: int32 ``[groups]``, contiguous.
    expected_m: the approximate rows of a group, by which the rows of a tile are chosen; nothing else depends on it.
    enable_overlap, signal: raise ``signal``, int32 with room for ``groups * ceil(m / 64)``, zero before: one add with
        release for each tile that has been stored.
    recipe, recipe_a, recipe_b: None, or blocks of 1 x 128 and 128 x 128. compiled_dims, disable_ue8m0_cast,
        max_block_n: of the original's compiler; ignored.

    Returns ``(block_m, threshold)`` with ``enable_overlap``: block ``i`` of group ``g`` is complete when
    ``signal[g * ceil(m / block_m) + i]`` has reached the threshold. Else ``(None, None)``."""
    values, scales = a
    packed = b if isinstance(b, Packed) else find(b[0], b[1])
    groups, n, k = packed.shape
    device = packed.device
    index = device.index
    if (
        values.dtype is not torch.float8_e4m3fn
        or values.dim() != 3
        or values.shape[0] != groups
        or values.shape[2] != k
        or not values.is_contiguous()
        or values.get_device() != index
        or d.dtype is not torch.bfloat16
        or d.shape != (groups, values.shape[1], n)
        or not d.is_contiguous()
        or d.get_device() != index
        or masked_m.dtype is not torch.int32
        or masked_m.shape != (groups,)
        or not masked_m.is_contiguous()
        or masked_m.get_device() != index
        or expected_m < 1
    ):
        raise _refusal(values, d, masked_m, expected_m, packed)
    if recipe is not None or recipe_a is not None or recipe_b is not None:
        _check_recipes(recipe, recipe_a, recipe_b)
    m = values.shape[1]
    if scales.dtype is not torch.float32 or scales.shape != (groups, m, k // 128) or scales.get_device() != index:
        scales = _unpack(scales, groups, m, k, device.torch_device)
    if enable_overlap:
        block_m = SIGNAL_BLOCK_M
        _check_signals(signal, groups * ceil_div(m, SIGNAL_BLOCK_M), device)
    else:
        block_m = _block_m(expected_m, m)
    room = rows_of_columns(scales)
    if room < ceil_div(m, block_m) * block_m:
        scales = get_mn_major_tma_aligned_tensor(scales)
        room = rows_of_columns(scales)
    gemm = packed.gemm(m, block_m, enable_overlap, room)
    address = device.address
    with device.lock:
        code = _library.load().swiftep_gemm_run(
            gemm.number,
            device.current_stream(),
            address(values),
            address(scales),
            address(masked_m),
            address(d),
            0,
            address(signal) if enable_overlap and signal is not None else 0,
            multiprocessors.limit(),
        )
        if device.simulated:
            device.settle()
    if code:
        fail(code)
    return (block_m, gemm.threshold) if enable_overlap else (None, None)


#: SGLang's name of it.
fp8_m_grouped_gemm_nt_masked = m_grouped_fp8_gemm_nt_masked


def _block_m(expected_m: int, m: int) -> int:
    """The smallest tile that holds the expected rows of a group."""
    rows = min(m, expected_m)
    return next((block for block in _BLOCKS if rows <= block), _BLOCKS[-1])


def _check_signals(signal: Any, needed: int, device: devices.Device) -> None:
    wanted = f"a contiguous int32 tensor of at least {needed} zeros on {device.torch_device}"
    if (
        not isinstance(signal, torch.Tensor)
        or signal.dtype not in (torch.int32, torch.uint32)
        or signal.numel() < needed
        or not signal.is_contiguous()
        or signal.get_device() != device.index
    ):
        raise invalid("signal", describe(signal), wanted, "enable_overlap=True raises one signal for each 64 rows")


def _unpack(scales: Any, groups: int, m: int, k: int, device: torch.device) -> torch.Tensor:
    """Scales of words with four exponents as float32."""
    wanted = f"float32 [{groups}, {m}, {k // 128}] or int32 [{groups}, {m}, {ceil_div(k, 512)}] on {device}"
    if (
        not isinstance(scales, torch.Tensor)
        or scales.dtype != torch.int32
        or scales.shape != (groups, m, ceil_div(k, 512))
        or scales.device != device
    ):
        raise invalid("the scales of a (a[1])", describe(scales), wanted)
    exponents = scales.clone(memory_format=torch.contiguous_format).view(torch.uint8).to(torch.int32)
    return (exponents << 23).view(torch.float32)[:, :, : k // 128]


def _check_recipes(recipe: Any, recipe_a: Any, recipe_b: Any) -> None:
    for name, value, wanted in (
        ("recipe", recipe, (1, 128, 128)),
        ("recipe_a", recipe_a, (1, 128)),
        ("recipe_b", recipe_b, (128, 128)),
    ):
        if value is not None and tuple(value) != wanted:
            raise Unsupported(f"{name} is {tuple(value)}; scales are of blocks {wanted}, or leave it out")


def _refusal(values: Any, d: Any, masked_m: Any, expected_m: int, packed: Packed) -> Error:
    groups, n, k = packed.shape
    on = packed.device.torch_device
    if expected_m < 1:
        return invalid("expected_m", expected_m, "at least 1")
    if values.dtype != torch.float8_e4m3fn or values.dim() != 3 or (values.shape[0], values.shape[2]) != (groups, k):
        wanted = f"float8_e4m3fn [{groups}, m, {k}] on {on}, as b is [{groups}, {n}, {k}]"
        return invalid("a[0]", describe(values), wanted)
    if not values.is_contiguous() or values.device != on:
        return invalid("a[0]", describe(values), f"contiguous on {on}", "Call .contiguous() once, outside of the step")
    m = values.shape[1]
    if d.dtype != torch.bfloat16 or d.shape != (groups, m, n) or not d.is_contiguous() or d.device != on:
        return invalid("d", describe(d), f"a contiguous bfloat16 tensor [{groups}, {m}, {n}] on {on}")
    return invalid("masked_m", describe(masked_m), f"a contiguous int32 tensor [{groups}] on {on}")
