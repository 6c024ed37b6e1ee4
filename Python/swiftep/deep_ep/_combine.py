"""Combine: rows of experts back to the ranks of their tokens, and their sums."""

from __future__ import annotations

from time import monotonic
from typing import Any, Optional

import torch

from .._torch.errors import fail, invalid
from . import _refusals
from ._core import Core, Hook
from ._exchange import Exchange
from .event import EventOverlap


class Combine(Core):
    """``low_latency_combine``, and the memory for rows that it does not copy."""

    def get_next_low_latency_combine_buffer(self, handle: Any) -> torch.Tensor:
        """BF16 ``[L, M, hidden]``, contiguous, for rows that a combine with ``zero_copy=True`` sends; the next dispatch
        but one of the shape has the same memory."""
        if self._closed:
            raise _refusals.closed()
        exchange, place, turn = self._find(handle)
        return exchange.expert_output(place, turn)

    def low_latency_combine(
        self,
        x: torch.Tensor,
        topk_idx: torch.Tensor,
        topk_weights: torch.Tensor,
        handle: Any,
        *,
        overlap: bool = False,
        packed_recv_count: Optional[torch.Tensor] = None,
        comp_signal: Optional[torch.Tensor] = None,
        block_m: int = 64,
        threshold: int = 0,
        num_sms: int = 3,
        use_logfmt: bool = False,
        zero_copy: bool = False,
        async_finish: bool = False,
        return_recv_hook: bool = False,
        out: Optional[torch.Tensor] = None,
        combine_wait_recv_cost_stats: Optional[torch.Tensor] = None,
        src_signals: Optional[torch.Tensor] = None,
        src_signal_expect_value: Optional[int] = None,
    ) -> tuple[torch.Tensor, EventOverlap, Optional[Hook]]:
        """Sends rows home, and adds them up: float32, in the order of a token's choices, rounded once.

        Arguments after ``handle`` go by name, since versions of DeepEP disagree about their order.

        x: bfloat16 ``[L, M, hidden]``, contiguous; rows beyond an expert's count are not read.
        topk_idx, topk_weights: int64 as in the dispatch, and float32 ``[tokens, top_k]``, contiguous.
        handle: of one of the last two dispatches of the shape. A combine may be repeated.
        overlap: send rows while a GEMM on another stream still produces them. Then comp_signal: int32
            ``[L * ceil(M / block_m)]``, zero before the GEMM starts; a block of rows is sent when its signal is at
            least ``threshold``; num_sms: multiprocessors for the send, which the GEMM has to leave free;
            packed_recv_count: not needed, the buffer knows it. It takes ``return_recv_hook=True``.
        zero_copy: send the rows in ``get_next_low_latency_combine_buffer(handle)`` instead of x.
        async_finish, return_recv_hook: as in the dispatch.
        out: bfloat16 ``[tokens, hidden]``, contiguous; made if None.
        combine_wait_recv_cost_stats: int64 ``[ranks]``; nanoseconds waited for each rank are added.

        Returns ``(combined_x, event, hook)``."""
        if self._closed:
            raise _refusals.closed()
        if use_logfmt or src_signals is not None:
            raise _refusals.unsupported_combine(use_logfmt)
        if async_finish and return_recv_hook:
            raise invalid("async_finish", True, "False with return_recv_hook=True")
        exchange, place, turn = self._find(handle)
        shape, index, tokens = exchange.shape, self._index, place.tokens
        choices = (tokens, shape.top_k)
        if (
            topk_idx.dtype is not torch.int64
            or topk_weights.dtype is not torch.float32
            or topk_idx.shape != choices
            or topk_weights.shape != choices
            or not topk_idx.is_contiguous()
            or not topk_weights.is_contiguous()
            or topk_idx.get_device() != index
            or topk_weights.get_device() != index
            or (
                out is not None
                and (
                    out.dtype is not torch.bfloat16
                    or out.shape != (tokens, shape.hidden)
                    or not out.is_contiguous()
                    or out.get_device() != index
                    or out.data_ptr() & 15
                )
            )
            # An error between a send and its receive would leave this rank out of step with the others.
            or topk_idx.data_ptr() & 7
            or topk_weights.data_ptr() & 3
            or (
                not zero_copy
                and (
                    x.dtype is not torch.bfloat16
                    or x.shape != place.slab
                    or not x.is_contiguous()
                    or x.get_device() != index
                    or x.data_ptr() & 15
                )
            )
        ):
            slab = (exchange.local_experts, exchange.max_rows, shape.hidden)
            raise _refusals.combine(
                x, topk_idx, topk_weights, out, tokens, slab, shape.top_k, self._torch_device, zero_copy
            )
        if monotonic() >= self._next_poll:
            self._poll(exchange)
        waits = 0
        if combine_wait_recv_cost_stats is not None:
            waits = self._statistics(
                "combine_wait_recv_cost_stats", combine_wait_recv_cost_stats, torch.int64, self.group_size
            )
        if out is None:
            out = torch.empty((tokens, shape.hidden), dtype=torch.bfloat16, device=self._torch_device)
        if zero_copy:
            x = exchange.expert_output(place, turn)
        beside = None
        if overlap:
            wrong = _refusals.overlap(
                return_recv_hook,
                comp_signal,
                exchange.blocks,
                block_m,
                exchange.block_m,
                threshold,
                num_sms,
                self._torch_device,
            )
            if wrong is not None:
                raise wrong
            beside = exchange.overlap_pointer
            exchange.overlap.threshold = threshold
            exchange.overlap.multiprocessors = num_sms

        stream = self._current_stream() if return_recv_hook else self._comm.enter()
        if overlap and self._simulated:
            stream = self._beside
        with self._lock:
            if self._simulated:
                self._lend(topk_idx, topk_weights, out, combine_wait_recv_cost_stats)
            if comp_signal is not None and overlap:
                exchange.overlap.signals = self._address(comp_signal)
            code = self._library.swiftep_combine_send(exchange.number, turn, stream, self._address(x), beside)
            if code:
                fail(code)
            # With signals, the producer may not have been enqueued yet.
            if self._simulated and return_recv_hook and not overlap:
                self._device.settle()
        kept = (topk_idx, topk_weights, out, combine_wait_recv_cost_stats, comp_signal if overlap else None)
        if return_recv_hook:
            held = [kept, x if overlap else None]

            def hook() -> None:
                self._receive_combine(exchange, turn, stream, held[0], waits)
                held[1] = None

            return out, EventOverlap(), hook
        self._receive_combine(exchange, turn, stream, kept, waits)
        return out, self._comm.leave(async_finish, (x, *kept)), None

    def _receive_combine(self, exchange: Exchange, turn: int, stream: int, kept: Any, waits: int) -> None:
        topk_idx, topk_weights, out, statistics, _ = kept
        address = self._address
        with self._lock:
            if self._simulated and statistics is not None:
                waits = address(statistics)
            index, weights, sums = address(topk_idx), address(topk_weights), address(out)
            code = self._library.swiftep_combine_receive(
                exchange.number, turn, stream, index, weights, out.shape[0], sums, waits
            )
            if code:
                fail(code)
            if self._simulated:
                self._device.settle()
