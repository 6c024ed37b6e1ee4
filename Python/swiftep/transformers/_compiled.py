"""A step as one operator, for models that ``torch.compile`` traces."""

from __future__ import annotations

from typing import Any

import torch

from .._errors import OutOfOrder
from ._layers import BoundLayer


@torch.library.custom_op("swiftep::experts", mutates_args=())
def experts(
    hidden_states: torch.Tensor, index: torch.Tensor, weights: torch.Tensor, layer: int, overlap: str
) -> torch.Tensor:
    """A step of the layer of that number; types and shapes as in ``BoundLayer.run``, of any layout."""
    return BoundLayer.numbered(layer).run(
        hidden_states.contiguous(), index.to(torch.int64).contiguous(), weights.to(torch.float32).contiguous(), overlap
    )


@experts.register_fake
def _(
    hidden_states: torch.Tensor, index: torch.Tensor, weights: torch.Tensor, layer: int, overlap: str
) -> torch.Tensor:
    return torch.empty_like(hidden_states, memory_format=torch.contiguous_format)


def compiled_step(
    layer: BoundLayer | None, hidden_states: torch.Tensor, index: torch.Tensor, weights: torch.Tensor, overlap: Any
) -> torch.Tensor:
    """The operator that a traced model has in place of a step. Raises ``OutOfOrder`` before the first step."""
    if layer is None:
        raise OutOfOrder("the first step of a layer packs its weights: run the model once before torch.compile")
    chosen = layer.settings.overlap if overlap is None else overlap
    output: torch.Tensor = torch.ops.swiftep.experts(hidden_states, index, weights, layer.number, chosen)
    return output
