"""Weights of an experts module as the layer takes them."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import Any

import torch

from .._errors import InvalidArgument


@dataclass(frozen=True)
class ExpertWeights:
    """FP8 E4M3 weights with Float32 scales of 128 x 128 blocks, of consecutive experts."""

    #: ``[experts, 2 * intermediate, hidden]``, gate above up.
    gate_up: torch.Tensor
    #: ``[experts, 2 * intermediate / 128, hidden / 128]``.
    gate_up_scales: torch.Tensor
    #: ``[experts, hidden, intermediate]``.
    down: torch.Tensor
    #: ``[experts, hidden / 128, intermediate / 128]``.
    down_scales: torch.Tensor
    #: Whether scales are powers of two; those of activations then are as well.
    power_of_two: bool


def expert_weights(module: Any, experts: slice, quantise: bool) -> ExpertWeights:
    """The module's own tensors where they are FP8, without a copy of the values; else quantised ones, if that is
    wanted. ``require_module`` must have passed."""
    gate_up, down = module.gate_up_proj.detach()[experts], module.down_proj.detach()[experts]
    if gate_up.dtype == torch.float8_e4m3fn:
        scales = [module.gate_up_proj_scale_inv.detach()[experts], module.down_proj_scale_inv.detach()[experts]]
        power_of_two = all(s.dtype not in (torch.float32, torch.bfloat16) for s in scales)
        scales = [s.to(torch.float32).contiguous() for s in scales]
        return ExpertWeights(gate_up.contiguous(), scales[0], down.contiguous(), scales[1], power_of_two)
    if not quantise:
        raise InvalidArgument(
            f"{type(module).__name__} has weights of {gate_up.dtype}, and the layer's are FP8 E4M3 with a scale for "
            "each 128 x 128 block: load an FP8 checkpoint, or allow a loss of precision with register(quantise=True)"
        )
    warnings.warn(
        f"swiftep quantises weights of {gate_up.dtype} to FP8 E4M3 with a scale for each 128 x 128 block, as "
        "quantise=True asks for",
        stacklevel=2,
    )
    return ExpertWeights(*_quantised(gate_up), *_quantised(down), power_of_two=False)


def _quantised(weights: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    # One expert at a time: Float32 copies of all of them may not fit.
    quantised = [_quantised_blocks(expert) for expert in weights]
    return torch.stack([q for q, _ in quantised]), torch.stack([s for _, s in quantised])


def _quantised_blocks(matrix: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    rows, columns = matrix.shape
    blocks = matrix.float().reshape(rows // 128, 128, columns // 128, 128)
    largest = blocks.abs().amax(dim=(1, 3))
    scales = torch.where(largest > 0, largest, torch.ones_like(largest)) / 448
    values = (blocks / scales[:, None, :, None]).reshape(rows, columns)
    return values.clamp(-448, 448).to(torch.float8_e4m3fn), scales
