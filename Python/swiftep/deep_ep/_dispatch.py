"""Dispatch: tokens to the ranks of their experts."""

from __future__ import annotations

from time import monotonic
from typing import Any, Optional

import torch

from .._torch.errors import fail, invalid
from . import _refusals
from ._core import Core, Hook, Rows
from ._exchange import Exchange
from ._place import Place
from .event import EventOverlap
from .handle import Handle


class Dispatch(Core):
    """``low_latency_dispatch``."""

    def low_latency_dispatch(
        self,
        x: torch.Tensor,
        topk_idx: torch.Tensor,
        num_max_dispatch_tokens_per_rank: int,
        num_experts: int,
        cumulative_local_expert_recv_stats: Optional[torch.Tensor] = None,
        dispatch_wait_recv_cost_stats: Optional[torch.Tensor] = None,
        use_fp8: bool = True,
        round_scale: bool = False,
        use_ue8m0: bool = False,
        async_finish: bool = False,
        return_recv_hook: bool = False,
        use_nvfp4: bool = False,
        x_global_scale: Optional[torch.Tensor] = None,
    ) -> tuple[Rows, torch.Tensor, Handle, EventOverlap, Optional[Hook]]:
        """Sends tokens to the ranks of their experts, and receives.

        With ``L = num_experts / ranks`` experts of this rank and room for
        ``M = ranks * num_max_dispatch_tokens_per_rank`` rows of each:

        x: bfloat16 ``[tokens, hidden]``, contiguous; 0 tokens to ``num_max_dispatch_tokens_per_rank``.
        topk_idx: int64 ``[tokens, top_k]``, contiguous; numbers that are no expert, such as -1, select nothing.
        cumulative_local_expert_recv_stats: int32 ``[L]``; rows received are added.
        dispatch_wait_recv_cost_stats: int64 ``[ranks]``; nanoseconds waited for each rank are added.
        use_fp8, round_scale, use_ue8m0: FP8 rows with float32 scales of 128 channels; scales that are powers of two;
            these as exponents, four to an int32.
        async_finish: return with an event instead of making the current stream wait.
        return_recv_hook: only send, on the current stream; ``hook()`` receives, on that same stream.

        Returns ``(recv_x, recv_count, handle, event, hook)``: rows ``[L, M, hidden]``, or a tuple of FP8 rows and
        scales ``[L, M, hidden / 128]`` (int32: ``hidden / 512``) with strides ``(S * hidden / 128, 1, S)``, S being M
        rounded up to 128; int32 ``[L]`` rows of each expert, by source rank and then by token; those beyond are
        undefined."""
        if self._closed:
            raise _refusals.closed()
        if use_nvfp4 or x_global_scale is not None:
            raise _refusals.unsupported_dispatch(use_nvfp4)
        if async_finish and return_recv_hook:
            raise invalid("async_finish", True, "False with return_recv_hook=True")
        index = self._index
        if (
            x.dtype is not torch.bfloat16
            or x.dim() != 2
            or topk_idx.dtype is not torch.int64
            or topk_idx.dim() != 2
            or not x.is_contiguous()
            or not topk_idx.is_contiguous()
            or x.get_device() != index
            or topk_idx.get_device() != index
        ):
            raise _refusals.dispatch(x, topk_idx, num_max_dispatch_tokens_per_rank, self._torch_device)
        tokens, hidden = x.shape
        chosen, top_k = topk_idx.shape
        if chosen != tokens or tokens > num_max_dispatch_tokens_per_rank:
            raise _refusals.dispatch(x, topk_idx, num_max_dispatch_tokens_per_rank, self._torch_device)
        key = (num_max_dispatch_tokens_per_rank, num_experts, hidden, top_k, use_fp8, round_scale, use_ue8m0)
        exchange = self._exchanges.get(key)
        if exchange is None:
            exchange = self._open(key)
        elif monotonic() >= self._next_poll:
            self._poll(exchange)
        totals = waits = 0
        if cumulative_local_expert_recv_stats is not None:
            totals = self._statistics(
                "cumulative_local_expert_recv_stats",
                cumulative_local_expert_recv_stats,
                torch.int32,
                exchange.local_experts,
            )
        if dispatch_wait_recv_cost_stats is not None:
            waits = self._statistics(
                "dispatch_wait_recv_cost_stats", dispatch_wait_recv_cost_stats, torch.int64, self.group_size
            )

        stream = self._current_stream() if return_recv_hook else self._comm.enter()
        with self._lock:
            if self._simulated:
                self._lend(cumulative_local_expert_recv_stats, dispatch_wait_recv_cost_stats)
            code = self._library.swiftep_dispatch_send(
                exchange.number, stream, self._address(x), self._address(topk_idx), tokens, exchange.turn_pointer
            )
            if code:
                fail(code)
            if self._simulated and return_recv_hook:
                self._device.settle()
        turn = exchange.turn.value
        place = exchange.places[turn & 1]
        place.turn = turn
        place.tokens = tokens
        handle = Handle.of(
            (place.source_info, place.layout_range, num_max_dispatch_tokens_per_rank, hidden, num_experts),
            exchange,
            turn,
        )
        if return_recv_hook:

            def hook(
                _kept: Any = (cumulative_local_expert_recv_stats, dispatch_wait_recv_cost_stats),
            ) -> None:
                self._receive_dispatch(exchange, place, turn, stream, totals, waits, _kept)

            return place.recv_x, place.recv_count, handle, EventOverlap(), hook
        kept = (cumulative_local_expert_recv_stats, dispatch_wait_recv_cost_stats)
        self._receive_dispatch(exchange, place, turn, stream, totals, waits, kept)
        event = self._comm.leave(async_finish, (x, topk_idx, *kept))
        return place.recv_x, place.recv_count, handle, event, None

    def _receive_dispatch(
        self, exchange: Exchange, place: Place, turn: int, stream: int, totals: int, waits: int, kept: Any
    ) -> None:
        with self._lock:
            if self._simulated:
                # Memory that was lent for the send has been taken back.
                totals, waits = self._lend(*kept)
            code = self._library.swiftep_dispatch_receive(exchange.number, turn, stream, totals, waits)
            if code:
                fail(code)
            if self._simulated:
                self._device.settle()
                place.refresh()
