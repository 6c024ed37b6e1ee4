"""The settings of a registered experts implementation."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from .._errors import InvalidArgument

#: Overlap modes of a step: none, Single Batch Overlap, Two Batch Overlap, and one kernel for each GEMM with its
#: communication.
OVERLAPS = ("none", "single_batch", "two_batch", "direct")


@dataclass(frozen=True)
class Settings:
    """Settings of one registered name."""

    #: One of ``OVERLAPS``; ``set_overlap`` chooses another for a model.
    overlap: str = "single_batch"
    #: Most tokens of a step, 1 to 4,096. More than that, as in prefill, run in several steps.
    max_tokens: int = 128
    #: Whether weights that are not FP8 may be quantised, once, per 128 x 128 block.
    quantise: bool = False
    #: Whether layers set memory aside for ``two_batch``.
    two_batch: bool = False
    #: ``None``: each process is a rank of its own and holds all experts that it uses. A torch process group: its
    #: processes are the ranks, and each runs its share of the experts.
    group: Any = None
    #: Seconds after which a wait for another rank is given up.
    wait_seconds: float = 10.0

    def __post_init__(self) -> None:
        require_overlap(self.overlap)
        if not 1 <= self.max_tokens <= 4096:
            raise InvalidArgument(
                f"max_tokens is {self.max_tokens} and must be 1 to 4,096; more tokens run in several steps"
            )
        if self.overlap == "two_batch" and not self.two_batch:
            raise InvalidArgument('overlap "two_batch" needs memory of its own: also pass two_batch=True')
        if not 0 < self.wait_seconds < math.inf:
            raise InvalidArgument(f"wait_seconds is {self.wait_seconds} and must be more than 0, and finite")


def require_overlap(overlap: str) -> None:
    """Raises ``InvalidArgument`` unless it is one of ``OVERLAPS``."""
    if overlap not in OVERLAPS:
        raise InvalidArgument(f"overlap is {overlap!r} and must be one of {', '.join(OVERLAPS)}")
