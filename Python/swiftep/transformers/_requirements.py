"""The requirements on an experts module whose computation SwiftEP's layer can replace."""

from __future__ import annotations

from typing import Any

import torch

from .._errors import InvalidArgument

_SILU = ("SiLU", "SiLUActivation")
_WEIGHTS = (torch.float8_e4m3fn, torch.bfloat16, torch.float16, torch.float32)
_SCALES = (torch.float32, torch.bfloat16, getattr(torch, "float8_e8m0fnu", torch.float32))


def require_module(module: Any) -> None:
    """Raises ``InvalidArgument`` with the first reason why the module's experts cannot run."""
    for reason in _reasons(module):
        raise InvalidArgument(
            f"{type(module).__name__} cannot run on swiftep: {reason}; "
            'choose another with model.set_experts_implementation("grouped_mm")'
        )


def _reasons(module: Any) -> Any:
    if not getattr(module, "has_gate", True):
        yield "its experts have no gate, and the layer computes silu(gate) * up"
        return
    if getattr(module, "has_bias", False):
        yield "its experts have biases"
    if getattr(module, "is_transposed", False):
        yield "its weights are transposed and must be [experts, output, input]"
    if not getattr(module, "is_concatenated", True):
        yield "gate and up are interleaved, and gate must stand above up"
    activation = type(getattr(module, "act_fn", None)).__name__
    if activation not in _SILU:
        yield f"its activation is {activation} and must be SiLU"
    for name in ("limit", "swiglu_limit", "swiglu_alpha"):
        if getattr(module, name, None) is not None:
            yield f"{name} is {getattr(module, name)}, and the layer's SwiGLU has no limit"
    if _has_own_gate(module):
        yield "its class has a gate function of its own"
    if getattr(module, "activation_scheme", "dynamic") != "dynamic":
        yield f"activation_scheme is {module.activation_scheme} and must be dynamic"
    yield from _shape_reasons(module)


def _has_own_gate(module: Any) -> bool:
    from transformers.integrations.finegrained_fp8 import FP8Experts
    from transformers.integrations.moe import _default_apply_gate

    own = getattr(type(module), "_apply_gate", _default_apply_gate)
    return own not in (_default_apply_gate, FP8Experts._apply_gate)


def _shape_reasons(module: Any) -> Any:
    gate_up, down = module.gate_up_proj, module.down_proj
    if gate_up.ndim != 3 or down.ndim != 3:
        yield f"its weights have {gate_up.ndim} and {down.ndim} dimensions and must have 3, with experts first"
        return
    experts, gated, hidden = gate_up.shape
    if down.shape != (experts, hidden, gated // 2):
        wanted = [experts, hidden, gated // 2]
        yield f"down_proj is {list(down.shape)} and must be {wanted} beside {list(gate_up.shape)}"
    for what, size in (("hidden", hidden), ("intermediate", gated // 2)):
        if size % 128 != 0:
            yield f"{what} is {size} and must be a multiple of 128"
    if gate_up.dtype not in _WEIGHTS or gate_up.dtype != down.dtype:
        yield f"its weights are {gate_up.dtype} and {down.dtype} and must be float8_e4m3fn or bfloat16"
    elif gate_up.dtype == torch.float8_e4m3fn:
        if tuple(getattr(module, "block_size", None) or ()) != (128, 128):
            yield f"block_size is {getattr(module, 'block_size', None)} and must be (128, 128)"
        for name in ("gate_up_proj_scale_inv", "down_proj_scale_inv"):
            scales = getattr(module, name, None)
            if scales is None or scales.dtype not in _SCALES:
                yield f"{name} is {getattr(scales, 'dtype', None)} and must be float32, bfloat16 or float8_e8m0fnu"
