"""One layer for each experts module, made at its first step."""

from __future__ import annotations

import itertools
import weakref
from typing import Any, Optional

import torch

from .. import MoELayer
from .._errors import OutOfOrder
from .._torch.source import Source
from ._ranks import Ranks, ranks_for
from ._requirements import require_module
from ._settings import Settings
from ._weights import expert_weights

_numbers = itertools.count()
_numbered: weakref.WeakValueDictionary[int, BoundLayer] = weakref.WeakValueDictionary()


class BoundLayer:
    """The layer of one experts module."""

    @staticmethod
    def numbered(number: int) -> BoundLayer:
        """The layer of that number. Raises ``OutOfOrder`` if it has gone."""
        layer = _numbered.get(number)
        if layer is None:
            raise OutOfOrder("the layer that this model was compiled with has gone: compile the model again")
        return layer

    def __init__(self, layer: Any, ranks: Ranks, settings: Settings, top_k: int, source: Source) -> None:
        self.settings = settings
        self._layer = layer
        self._ranks = ranks
        self._top_k = top_k
        self._source = source
        #: Its number in compiled models, which hold numbers but no objects.
        self.number = next(_numbers)
        _numbered[self.number] = self

    def serves(self, module: Any, settings: Settings, top_k: int) -> bool:
        """Whether this layer is still the module's: the same settings, weights and choices per token."""
        return settings == self.settings and top_k == self._top_k and self._source.is_of(*_weights(module))

    def run(
        self, hidden_states: torch.Tensor, index: torch.Tensor, weights: torch.Tensor, overlap: str
    ) -> torch.Tensor:
        """A step, or several of ``max_tokens`` tokens each."""
        tokens, most = hidden_states.shape[0], self.settings.max_tokens
        steps = self._ranks.agreed_steps((tokens + most - 1) // most)
        if steps == 0:
            return torch.empty_like(hidden_states)
        if steps == 1:
            output: torch.Tensor = self._layer(hidden_states, index, weights, overlap=overlap)
            return output
        output = torch.empty_like(hidden_states)
        for first in range(0, steps * most, most):
            # Where other ranks have more tokens, the last steps are empty here, but must still run.
            part = slice(min(first, tokens), min(first + most, tokens))
            self._layer(hidden_states[part], index[part], weights[part], overlap=overlap, out=output[part])
        return output

    def close(self) -> None:
        self._layer.close()

    def __reduce__(self) -> Any:
        # A copy of a model makes layers of its own, at its first step.
        return (_no_layer, ())


def bind(module: Any, settings: Settings, top_k: int) -> BoundLayer:
    """Makes the layer of a module: checks it, packs its weights and connects it with those of other ranks."""
    if torch.cuda.is_available() and torch.cuda.is_current_stream_capturing():
        raise OutOfOrder(
            "the first step of a layer packs its weights, which a CUDA graph cannot do: run it once before capture"
        )
    require_module(module)
    experts = module.gate_up_proj.shape[0]
    ranks = ranks_for(module.gate_up_proj.device, settings)
    weights = expert_weights(module, ranks.local_experts(experts), settings.quantise)
    layer = MoELayer(
        ranks.group,
        gate_up=weights.gate_up,
        gate_up_scales=weights.gate_up_scales,
        down=weights.down,
        down_scales=weights.down_scales,
        top_k=top_k,
        max_tokens=settings.max_tokens,
        scales="power_of_two" if weights.power_of_two else "float32",
        two_batch=settings.two_batch,
        wait_seconds=settings.wait_seconds,
    )
    return BoundLayer(layer, ranks, settings, top_k, Source(*_weights(module)))


def _weights(module: Any) -> tuple[Optional[torch.Tensor], ...]:
    """The tensors that the layer's weights were made from: other ones, or the same ones written anew, need another
    layer."""
    scales = (getattr(module, f"{name}_scale_inv", None) for name in ("gate_up_proj", "down_proj"))
    return (module.gate_up_proj, module.down_proj, *scales)


def _no_layer() -> None:
    return None
