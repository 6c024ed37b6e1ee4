"""The experts of a decode step in two kernels: gate and up with SwiGLU and quantisation, and down with signals.

SGLang's place for such functions, ``register_fused_func``, is given neither the signals of Single Batch Overlap nor a
way back for prefill. So this wraps ``MoeRunner.run``, which has both, and passes on the calls that it does not handle.
"""

from __future__ import annotations

import importlib
import logging
from typing import Any, Callable

from .._errors import InvalidArgument

logger = logging.getLogger(__name__)

TARGET = "sglang.srt.layers.moe.moe_runner.runner.MoeRunner.run"
#: The attribute in which a runner keeps its kernels.
_KERNELS = "_swiftep_kernels"


def chosen(value: str | None) -> Experts | None:
    """The experts that the environment's value asks for; None for SGLang's own. Raises ``InvalidArgument`` for another
    word."""
    if value in (None, "", "0"):
        return None
    if value not in ("1", "in_place"):
        raise InvalidArgument(f"SWIFTEP_SGLANG_EXPERTS is {value!r} and must be 0, 1 or in_place")
    return Experts(in_place=value == "in_place")


class Experts:
    """Runs experts where it can."""

    def __init__(self, in_place: bool) -> None:
        self._in_place = in_place
        self._told: set[str] = set()

    def around_run(
        self,
        original: Callable[..., Any],
        runner: Any,
        dispatch_output: Any,
        quant_info: Any,
        *rest: Any,
        **others: Any,
    ) -> Any:
        """The hook. Calls that it cannot run go to SGLang, unless the weights have been packed in place."""
        reason = refusal(runner, dispatch_output, quant_info)
        if reason is None:
            return self._run(runner, dispatch_output, quant_info)
        if getattr(runner, _KERNELS, None) is not None and self._in_place:
            raise InvalidArgument(
                f"{reason}, and SWIFTEP_SGLANG_EXPERTS=in_place has left no weights for SGLang's kernels: use 1, or "
                "--deepep-mode low_latency"
            )
        if reason not in self._told:
            self._told.add(reason)
            logger.warning("SGLang runs experts by itself where %s", reason)
        return original(runner, dispatch_output, quant_info, *rest, **others)

    def _run(self, runner: Any, dispatched: Any, quant_info: Any) -> Any:
        from .kernels import ExpertKernels

        kernels = getattr(runner, _KERNELS, None)
        if kernels is None or not kernels.serve(quant_info):
            kernels = ExpertKernels(quant_info, self._in_place)
            setattr(runner, _KERNELS, kernels)
        output = kernels.run(dispatched, runner.down_gemm_overlap_args, runner.meta_overlap_args)
        combine_input = importlib.import_module("sglang.srt.layers.moe.token_dispatcher.deepep").DeepEPLLCombineInput
        return combine_input(output, dispatched.topk_ids, dispatched.topk_weights)


def refusal(runner: Any, dispatched: Any, quant_info: Any) -> str | None:
    """Why these experts cannot run here, or ``None``."""
    import torch

    if getattr(dispatched.format, "value", dispatched.format) != "deepep_ll":
        return f"rows come in the format {getattr(dispatched.format, 'value', dispatched.format)}"
    if getattr(runner, "lora_enabled", False):
        return "LoRA is enabled"
    if dispatched.hidden_states.dtype != torch.float8_e4m3fn or dispatched.hidden_states_scale.dtype != torch.float32:
        return "rows are not FP8 with Float32 scales"
    weights = (quant_info.w13_weight, quant_info.w2_weight)
    if any(w.dtype != torch.float8_e4m3fn for w in weights) or list(quant_info.block_shape or []) != [128, 128]:
        return "weights are not FP8 with 128 x 128 blocks"
    if quant_info.w13_scale.dtype != torch.float32 or quant_info.w2_scale.dtype != torch.float32:
        return "scales of weights are not Float32"
    if any(size % 128 != 0 for w in weights for size in w.shape[1:]):
        return "a size of the weights is no multiple of 128"
    configuration = runner.config
    if configuration.activation != "silu" or not configuration.is_gated:
        return f"the activation is {configuration.activation}"
    for name in ("swiglu_limit", "gemm1_alpha", "gemm1_clamp_limit"):
        if getattr(configuration, name, None) is not None:
            return f"{name} is {getattr(configuration, name)}"
    if getattr(configuration, "apply_router_weight_on_input", False):
        return "weights of the router are applied to the input"
    return None
