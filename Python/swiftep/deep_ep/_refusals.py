"""Errors of arguments. Called when a quick check has failed, to find the argument that is wrong."""

from __future__ import annotations

from typing import Any, Optional

import torch

from .. import _check
from .._errors import Error, OutOfOrder
from .._torch.errors import Unsupported, describe, invalid


def tensor(
    name: str,
    value: Any,
    dtype: torch.dtype,
    shape: tuple[Optional[int], ...],
    device: torch.device,
    remedy: str = "",
    align: int = 1,
) -> Optional[Error]:
    """The error of a tensor, None if there is none. A None in ``shape`` stands for any size; its address is a multiple
    of ``align``."""
    sizes = ", ".join("any" if size is None else str(size) for size in shape)
    wanted = f"a contiguous {str(dtype).removeprefix('torch.')} tensor [{sizes}] on {device}"
    if not isinstance(value, torch.Tensor):
        return invalid(name, type(value).__name__, wanted, remedy)
    fits = value.dim() == len(shape) and all(b is None or a == b for a, b in zip(value.shape, shape))
    if value.dtype != dtype or not fits or not value.is_contiguous() or value.device != device:
        return invalid(name, describe(value), wanted, remedy)
    if value.data_ptr() % align:
        return invalid(f"the address of {name}", f"{value.data_ptr():#x}", f"a multiple of {align}", "Pass a .clone()")
    return None


def dispatch(x: Any, topk_idx: Any, max_tokens: int, device: torch.device) -> Error:
    """The error of a dispatch's tensors."""
    wrong = tensor("x", x, torch.bfloat16, (None, None), device)
    if wrong is not None:
        return wrong
    cast = "Cast it with .to(deep_ep.topk_idx_t)"
    wrong = tensor("topk_idx", topk_idx, torch.int64, (x.shape[0], None), device, cast)
    if wrong is not None:
        return wrong
    return invalid(
        "the number of tokens (x.shape[0])",
        x.shape[0],
        f"at most num_max_dispatch_tokens_per_rank, {max_tokens}",
        "Pass a larger one on all ranks, or split the tokens",
    )


def combine(
    x: Any,
    topk_idx: Any,
    topk_weights: Any,
    out: Any,
    tokens: int,
    slab: tuple[int, int, int],
    top_k: int,
    device: torch.device,
    zero_copy: bool,
) -> Error:
    """The error of a combine's tensors."""
    as_dispatched = "Pass what the dispatch of this handle had"
    wrongs = [
        None if zero_copy else tensor("x", x, torch.bfloat16, slab, device, align=16),
        tensor("topk_idx", topk_idx, torch.int64, (tokens, top_k), device, as_dispatched, 8),
        tensor("topk_weights", topk_weights, torch.float32, (tokens, top_k), device, as_dispatched, 4),
        None if out is None else tensor("out", out, torch.bfloat16, (tokens, slab[2]), device, align=16),
    ]
    return next(wrong for wrong in wrongs if wrong is not None)


def overlap(
    hook: bool,
    signal: Any,
    needed: int,
    block_m: int,
    own_block_m: int,
    threshold: Any,
    num_sms: Any,
    device: torch.device,
) -> Optional[Error]:
    """The error of an overlapped combine's arguments, None if there is none."""
    if not hook:
        return invalid("return_recv_hook", False, "True with overlap=True: the receive comes after the producer")
    if block_m != own_block_m:
        wanted = f"{own_block_m}, which this buffer was made with"
        return invalid("block_m", block_m, wanted, f"Pass Buffer(..., block_m={block_m})")
    # Values that do not fit would be cut to 32 bits.
    for name, value, least in (("threshold", threshold, 0), ("num_sms", num_sms, 1)):
        try:
            _check.integer(value, name, least)
        except Error as wrong:
            return wrong
    if (
        not isinstance(signal, torch.Tensor)
        or (signal.dtype is not torch.int32 and signal.dtype is not torch.uint32)
        or signal.numel() < needed
        or not signal.is_contiguous()
        or signal.device != device
    ):
        wanted = f"a contiguous int32 tensor with at least {needed} elements on {device}, one for each {block_m} rows"
        return invalid("comp_signal", describe(signal), wanted, "It must be zero before the producer starts")
    if signal.data_ptr() % 4:
        return invalid("the address of comp_signal", f"{signal.data_ptr():#x}", "a multiple of 4", "Pass a .clone()")
    return None


def stale(turn: int, now: int) -> Error:
    """The error of a handle whose dispatch has been overwritten."""
    if now < 0:
        return OutOfOrder(
            f"handle is of dispatch {turn}, which is over since clean_low_latency_buffer or reset; dispatch again"
        )
    return OutOfOrder(
        f"handle is of dispatch {turn}, and dispatch {now} has overwritten what that one received; a buffer keeps the "
        f"last two dispatches of a shape. Combine before the second next dispatch"
    )


def unknown_handle(handle: Any) -> Error:
    return invalid("handle", f"a {type(handle).__name__}", "what low_latency_dispatch of this buffer returned")


def foreign_handle() -> Error:
    return invalid("handle", "one of another Buffer", "what low_latency_dispatch of this buffer returned")


def closed() -> Error:
    return OutOfOrder("this Buffer has been destroyed; make another one")


def capturing(shape: Any, call: str = "low_latency_dispatch") -> Error:
    return OutOfOrder(
        f"the first {call} with {shape} makes memory, which cannot be done while a CUDA graph is captured; make the "
        f"same call once before the capture, or call Buffer.prepare(...) on all ranks"
    )


def unsupported_dispatch(use_nvfp4: bool) -> Error:
    name = "use_nvfp4" if use_nvfp4 else "x_global_scale"
    return Unsupported(f"{name}: rows are sent in BF16 or FP8; pass use_fp8=True or use_fp8=False")


def unsupported_combine(use_logfmt: bool) -> Error:
    if use_logfmt:
        return Unsupported("use_logfmt: rows come home in BF16, as they are; pass use_logfmt=False")
    return Unsupported(
        "src_signals: one signal for each expert is a protocol of Blackwell kernels; pass comp_signal, one signal for "
        "each block_m rows, with overlap=True"
    )
