"""Dispatch and combine as vLLM's modular kernels call them."""

from __future__ import annotations

import inspect
from typing import Any, Callable

import torch
import vllm.model_executor.layers.fused_moe.modular_kernel as modular
from vllm.model_executor.layers.fused_moe.topk_weight_and_reduce import TopKWeightAndReduceDelegate
from vllm.model_executor.layers.fused_moe.utils import moe_kernel_quantize_input, normalize_batched_scales_shape
from vllm.v1.worker.ubatching import dbo_current_ubatch_id, dbo_maybe_run_recv_hook

from .._errors import InvalidArgument


class SwiftEPPrepareAndFinalize(modular.FusedMoEPrepareAndFinalizeModular):  # type: ignore[misc]
    """Rows come as ``[local experts, ranks * max_tokens_per_rank, hidden]``, of which each expert's first
    ``expert_num_tokens`` are valid; FP8 with Float32 scales, or BF16 and then quantised here."""

    __swiftep__ = True

    def __init__(
        self,
        buffer: Any,
        max_tokens_per_rank: int,
        num_dispatchers: int,
        use_fp8_dispatch: bool = False,
        global_to_physical: Any = None,
    ) -> None:
        _initialise(super().__init__)
        self.buffer = buffer
        self.max_tokens_per_rank = max_tokens_per_rank
        self.use_fp8_dispatch = use_fp8_dispatch
        self.use_ue8m0_dispatch = False
        self._num_dispatchers = num_dispatchers
        self._global_to_physical = None if global_to_physical is None else global_to_physical.to(torch.int64)
        #: The dispatch that a combine answers, one for each of two micro-batches.
        self._handles: list[Any] = [None, None]

    def post_init_setup(self, fused_experts: Any) -> None:
        self.use_ue8m0_dispatch = self.use_fp8_dispatch and fused_experts.supports_packed_ue8m0_act_scales()

    @property
    def activation_format(self) -> Any:
        return modular.FusedMoEActivationFormat.BatchedExperts

    def topk_indices_dtype(self) -> Any:
        return torch.int64

    def max_num_tokens_per_rank(self) -> int:
        return self.max_tokens_per_rank

    def num_dispatchers(self) -> int:
        return self._num_dispatchers

    def output_is_reduced(self) -> bool:
        return True

    def supports_async(self) -> bool:
        return True

    def prepare_async(
        self,
        a1: Any,
        topk_weights: Any,
        topk_ids: Any,
        num_experts: int,
        expert_map: Any,
        apply_router_weight_on_input: bool,
        quant_config: Any,
        defer_input_quant: bool = False,
    ) -> tuple[Callable[[], None], Callable[[], Any]]:
        """Sends tokens. Returns the hook that waits for their arrival, and the receiver that then returns the rows."""
        require_supported(a1, topk_ids, apply_router_weight_on_input, quant_config, defer_input_quant)
        if apply_router_weight_on_input:
            a1 = a1 * topk_weights.to(a1.dtype)
        rows, counts, handle, _, hook = self.buffer.low_latency_dispatch(
            a1,
            self._physical(topk_ids),
            self.max_tokens_per_rank,
            num_experts,
            use_fp8=self.use_fp8_dispatch,
            round_scale=self.use_ue8m0_dispatch,
            use_ue8m0=self.use_ue8m0_dispatch,
            async_finish=False,
            return_recv_hook=True,
        )
        self._handles[dbo_current_ubatch_id()] = handle
        return hook, lambda: self._received(rows, counts, quant_config)

    def prepare(
        self,
        a1: Any,
        topk_weights: Any,
        topk_ids: Any,
        num_experts: int,
        expert_map: Any,
        apply_router_weight_on_input: bool,
        quant_config: Any,
        defer_input_quant: bool = False,
    ) -> Any:
        hook, receiver = self.prepare_async(
            a1,
            topk_weights,
            topk_ids,
            num_experts,
            expert_map,
            apply_router_weight_on_input,
            quant_config,
            defer_input_quant,
        )
        hook()
        return receiver()

    def finalize_async(
        self,
        output: Any,
        fused_expert_output: Any,
        topk_weights: Any,
        topk_ids: Any,
        apply_router_weight_on_input: bool,
        weight_and_reduce_impl: Any,
    ) -> tuple[Callable[[], None], Callable[[], None]]:
        """Sends rows home. Returns the hook that waits for them and adds them up into ``output``, and a receiver that does
        nothing."""
        hook = self._combine(
            output,
            fused_expert_output,
            topk_weights,
            topk_ids,
            apply_router_weight_on_input,
            weight_and_reduce_impl,
            True,
        )
        return hook, lambda: None

    def finalize(
        self,
        output: Any,
        fused_expert_output: Any,
        topk_weights: Any,
        topk_ids: Any,
        apply_router_weight_on_input: bool,
        weight_and_reduce_impl: Any,
    ) -> None:
        self._combine(
            output,
            fused_expert_output,
            topk_weights,
            topk_ids,
            apply_router_weight_on_input,
            weight_and_reduce_impl,
            False,
        )

    def _combine(
        self,
        output: Any,
        rows: Any,
        topk_weights: Any,
        topk_ids: Any,
        weighted: bool,
        weight_and_reduce_impl: Any,
        asynchronous: bool,
    ) -> Any:
        if not isinstance(weight_and_reduce_impl, TopKWeightAndReduceDelegate):
            raise InvalidArgument(
                f"the experts bring {type(weight_and_reduce_impl).__name__}, and the combine weights and adds by itself"
            )
        # With two micro-batches, the rows of the other one must be received before this one sends.
        dbo_maybe_run_recv_hook()
        _, _, hook = self.buffer.low_latency_combine(
            rows,
            self._physical(topk_ids),
            torch.ones_like(topk_weights) if weighted else topk_weights,
            self._handles[dbo_current_ubatch_id()],
            async_finish=False,
            zero_copy=False,
            return_recv_hook=asynchronous,
            out=output,
        )
        return hook

    def _physical(self, topk_ids: Any) -> Any:
        if self._global_to_physical is None:
            return topk_ids
        # -1 selects nothing, before and after.
        return torch.where(topk_ids < 0, topk_ids, self._global_to_physical[topk_ids.clamp(min=0)])

    def _received(self, rows: Any, counts: Any, quant_config: Any) -> Any:
        scales = None
        if self.use_fp8_dispatch:
            rows, scales = rows
        elif quant_config.quant_dtype is not None:
            rows, scales = _quantised(rows, quant_config)
        found = modular.ExpertTokensMetadata(expert_num_tokens=counts, expert_num_tokens_cpu=None)
        return rows, scales, found, None, None


def _initialise(base: Callable[..., None]) -> None:
    """Runs the base's initialiser, which in some versions takes two configurations that it only stores."""
    named = [
        parameter
        for parameter in inspect.signature(base).parameters.values()
        if parameter.kind is parameter.POSITIONAL_OR_KEYWORD and parameter.default is parameter.empty
    ]
    base(*(None for _ in named))


def require_supported(
    a1: Any, topk_ids: Any, apply_router_weight_on_input: bool, quant_config: Any, defer_input_quant: bool
) -> None:
    """Raises ``InvalidArgument`` for requests that the dispatch does not support."""
    if defer_input_quant:
        raise InvalidArgument("defer_input_quant is set, and the dispatch quantises; choose experts that take FP8 rows")
    if quant_config.quant_dtype == "nvfp4":
        raise InvalidArgument("quant_dtype is nvfp4, and the dispatch sends FP8 or BF16")
    if a1.shape[1] % 128 != 0:
        raise InvalidArgument(f"hidden is {a1.shape[1]} and must be a multiple of 128")
    if apply_router_weight_on_input and topk_ids.shape[1] != 1:
        raise InvalidArgument(
            f"apply_router_weight_on_input is set with top_k {topk_ids.shape[1]}; one row for all experts needs top_k 1"
        )
    for name in ("a1_scale", "a2_scale"):
        scale = getattr(quant_config, name, None)
        if scale is not None and scale.numel() != 1:
            raise InvalidArgument(
                f"{name} has {scale.numel()} values; scales per token that are known before are not sent"
            )


def _quantised(rows: Any, quant_config: Any) -> tuple[Any, Any]:
    experts, _, hidden = rows.shape
    values, scales = moe_kernel_quantize_input(
        rows.view(-1, hidden),
        quant_config.a1_scale,
        quant_config.quant_dtype,
        quant_config.per_act_token_quant,
        quant_config.block_shape,
    )
    return values.view(experts, -1, hidden), normalize_batched_scales_shape(scales, experts)
