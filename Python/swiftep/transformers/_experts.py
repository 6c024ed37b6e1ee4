"""The function that transformers calls in place of an experts module's own forward."""

from __future__ import annotations

from typing import Any, Callable

import torch

from .._errors import InvalidArgument
from ._compiled import compiled_step
from ._layers import BoundLayer, bind
from ._settings import Settings

#: The attributes in which a module keeps its layer and its own overlap. They are no parameters, so they are neither
#: saved nor moved.
_LAYER = "_swiftep_layer"
_OVERLAP = "_swiftep_overlap"


def experts_forward(settings: Settings) -> Callable[..., torch.Tensor]:
    """An experts implementation with these settings."""

    def swiftep_experts_forward(
        self: torch.nn.Module,
        hidden_states: torch.Tensor,
        top_k_index: torch.Tensor,
        top_k_weights: torch.Tensor,
    ) -> torch.Tensor:
        if torch.compiler.is_compiling():
            return compiled_step(
                getattr(self, _LAYER, None), hidden_states, top_k_index, top_k_weights, getattr(self, _OVERLAP, None)
            )
        _require_inputs(self, hidden_states, top_k_index, top_k_weights)
        if hidden_states.requires_grad and torch.is_grad_enabled():
            output: torch.Tensor = _WithoutBackward.apply(  # type: ignore[no-untyped-call]
                hidden_states, self, top_k_index, top_k_weights, settings
            )
            return output
        return _forward(self, hidden_states, top_k_index, top_k_weights, settings)

    swiftep_experts_forward.swiftep_settings = settings  # type: ignore[attr-defined]
    return swiftep_experts_forward


def is_ours(function: Any) -> bool:
    """Whether an experts implementation is one of swiftep's."""
    return hasattr(function, "swiftep_settings")


def settings_of(module: Any) -> Settings | None:
    """The settings that a module would run with; ``None`` if it does not run on swiftep."""
    from transformers.integrations.finegrained_fp8 import ALL_FP8_EXPERTS_FUNCTIONS
    from transformers.integrations.moe import ALL_EXPERTS_FUNCTIONS

    if not (hasattr(module, "gate_up_proj") and hasattr(module, "down_proj")):
        return None
    name = getattr(getattr(module, "config", None), "_experts_implementation", None)
    for functions in (ALL_FP8_EXPERTS_FUNCTIONS, ALL_EXPERTS_FUNCTIONS):
        if name is not None and name in functions and is_ours(functions[name]):
            settings: Settings = functions[name].swiftep_settings
            return settings
    return None


def overlap_of(module: Any) -> str | None:
    """The overlap of a module's steps; ``None`` if it does not run on swiftep."""
    settings = settings_of(module)
    return None if settings is None else module.__dict__.get(_OVERLAP, settings.overlap)


def set_module_overlap(module: Any, overlap: str) -> None:
    """Chooses a module's overlap, which must run on swiftep."""
    layer: BoundLayer | None = module.__dict__.get(_LAYER)
    settings = layer.settings if layer is not None else settings_of(module)
    if overlap == "two_batch" and settings is not None and not settings.two_batch:
        raise InvalidArgument(
            'overlap "two_batch" needs memory of its own: pass two_batch=True to register before the first step'
        )
    module.__dict__[_OVERLAP] = overlap


def _forward(
    module: Any, hidden_states: torch.Tensor, index: torch.Tensor, weights: torch.Tensor, settings: Settings
) -> torch.Tensor:
    layer: BoundLayer | None = module.__dict__.get(_LAYER)
    if layer is None or not layer.serves(module, settings, index.shape[1]):
        if layer is not None:
            layer.close()
        layer = bind(module, settings, index.shape[1])
        module.__dict__[_LAYER] = layer
    return layer.run(
        hidden_states.detach().contiguous(),
        index.to(torch.int64).contiguous(),
        weights.detach().to(torch.float32).contiguous(),
        module.__dict__.get(_OVERLAP, settings.overlap),
    )


def _require_inputs(module: Any, hidden_states: torch.Tensor, index: torch.Tensor, weights: torch.Tensor) -> None:
    if hidden_states.dtype != torch.bfloat16:
        raise InvalidArgument(
            f"hidden states are {hidden_states.dtype} and must be bfloat16: load the model with dtype=torch.bfloat16"
        )
    if hidden_states.ndim != 2 or hidden_states.shape[1] != module.gate_up_proj.shape[-1]:
        raise InvalidArgument(
            f"hidden states are {list(hidden_states.shape)} and must be [tokens, {module.gate_up_proj.shape[-1]}]"
        )
    tokens = hidden_states.shape[0]
    if index.ndim != 2 or index.shape != weights.shape or index.shape[0] != tokens:
        raise InvalidArgument(
            f"top_k_index is {list(index.shape)} and top_k_weights {list(weights.shape)}; "
            f"both must be [{tokens}, top_k]"
        )


class _WithoutBackward(torch.autograd.Function):
    """Lets a model run outside of ``no_grad``, and raises an error with the remedy when gradients are asked for."""

    @staticmethod
    def forward(
        context: Any, hidden_states: torch.Tensor, module: Any, index: torch.Tensor, weights: torch.Tensor,
        settings: Settings,
    ) -> torch.Tensor:  # fmt: skip
        return _forward(module, hidden_states, index, weights, settings)

    @staticmethod
    def backward(context: Any, *gradients: torch.Tensor) -> Any:
        raise InvalidArgument(
            "swiftep computes no gradients: train with another implementation, as "
            'model.set_experts_implementation("grouped_mm")'
        )
