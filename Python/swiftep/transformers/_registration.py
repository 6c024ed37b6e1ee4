"""Registers experts implementations with transformers, and chooses how a model's layers overlap."""

from __future__ import annotations

from typing import Any

from .._errors import InvalidArgument
from ._experts import experts_forward, is_ours, overlap_of, set_module_overlap
from ._settings import Settings, require_overlap


def register(
    name: str = "swiftep",
    *,
    overlap: str = "single_batch",
    max_tokens: int = 128,
    quantise: bool = False,
    two_batch: bool | None = None,
    group: Any = None,
    wait_seconds: float = 10.0,
) -> Settings:
    """Registers an experts implementation, for FP8 experts and for others, to be chosen by ``name``:
    ``from_pretrained(..., experts_implementation=name)`` or ``model.set_experts_implementation(name)``.

    Args:
        overlap: One of ``OVERLAPS``.
        max_tokens: Most tokens of a step; more run in several steps.
        quantise: Whether weights that are not FP8 may be quantised.
        two_batch: Whether layers set memory aside for "two_batch"; None if ``overlap`` is that.
        group: A torch process group whose processes are ranks with experts of their own; None for one rank in each
            process.
        wait_seconds: Seconds after which a wait for another rank is given up.

    To register a name again makes new layers. Raises ``InvalidArgument`` if a value is out of range or the name is that
    of another implementation."""
    from transformers.integrations.finegrained_fp8 import ALL_FP8_EXPERTS_FUNCTIONS, FP8ExpertsInterface
    from transformers.integrations.moe import ALL_EXPERTS_FUNCTIONS, ExpertsInterface

    settings = Settings(
        overlap=overlap,
        max_tokens=max_tokens,
        quantise=quantise,
        two_batch=overlap == "two_batch" if two_batch is None else two_batch,
        group=group,
        wait_seconds=wait_seconds,
    )
    for functions in (ALL_EXPERTS_FUNCTIONS, ALL_FP8_EXPERTS_FUNCTIONS):
        if name == "eager" or (name in functions and not is_ours(functions[name])):
            raise InvalidArgument(f"{name!r} is an experts implementation of transformers; choose another name")
    forward = experts_forward(settings)
    ExpertsInterface.register(name, forward)
    FP8ExpertsInterface.register(name, forward)
    return settings


def set_overlap(model: Any, overlap: str) -> int:
    """Chooses how the experts of a model overlap from its next step on. Returns the number of modules.

    Raises ``InvalidArgument`` if the model has no experts on swiftep, or a layer no memory for ``"two_batch"``."""
    require_overlap(overlap)
    modules = [module for module in model.modules() if overlap_of(module) is not None]
    if not modules:
        raise InvalidArgument(
            f"{type(model).__name__} has no experts on swiftep: call register(), then "
            'model.set_experts_implementation("swiftep")'
        )
    for module in modules:
        set_module_overlap(module, overlap)
    return len(modules)
