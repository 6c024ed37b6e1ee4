"""Settings of a buffer, by its arguments or by the environment."""

from __future__ import annotations

import math
import os
from dataclasses import dataclass
from typing import Optional

import torch

from .._torch import environment
from .._torch.errors import invalid

#: Type of expert indices, as DeepEP is built by default.
topk_idx_t = torch.int64

SOURCE_INFO = {"int32": torch.int32, "int64": torch.int64}


@dataclass(frozen=True)
class Settings:
    """Settings of SwiftEP's own, which must be the same on all ranks."""

    #: Seconds after which a wait for another rank, or for a signal, is given up.
    timeout: float
    #: Bytes per second and seconds of latency of a modelled link between each two ranks; 0 for none.
    link: tuple[float, float]
    #: Type of ``handle[0]``.
    source_info: torch.dtype
    #: Rows per signal of an overlapped combine.
    block_m: int

    @classmethod
    def read(
        cls,
        timeout: Optional[float] = None,
        link: Optional[tuple[float, float]] = None,
        source_info: Optional[torch.dtype] = None,
        block_m: int = 64,
    ) -> "Settings":
        """Arguments first, then ``SWIFTEP_TIMEOUT``, ``SWIFTEP_LINK`` and ``SWIFTEP_SOURCE_INFO``, then defaults."""
        if timeout is None:
            timeout = environment.timeout()
        if not 0 < timeout <= 86_400:
            raise invalid("timeout", timeout, "seconds, more than 0 and at most 86,400")
        if link is None:
            link = _link(os.environ.get("SWIFTEP_LINK", ""))
        wanted = "bytes per second and seconds, two finite numbers of at least 0"
        try:
            rate, latency = (float(number) for number in link)
        except (TypeError, ValueError):
            raise invalid("link", link, wanted) from None
        if not (0 <= rate < math.inf and 0 <= latency < math.inf):
            raise invalid("link", link, wanted)
        if source_info is None:
            text = os.environ.get("SWIFTEP_SOURCE_INFO", "int64")
            if text not in SOURCE_INFO:
                raise invalid("the environment's SWIFTEP_SOURCE_INFO", repr(text), "int32 or int64")
            source_info = SOURCE_INFO[text]
        if source_info not in SOURCE_INFO.values():
            raise invalid("source_info", source_info, "torch.int64 (rank and token) or torch.int32 (token)")
        if block_m not in (16, 32, 64, 128):
            raise invalid("block_m", block_m, "16, 32, 64 or 128 rows per signal")
        return cls(timeout, (rate, latency), source_info, block_m)


def _link(text: str) -> tuple[float, float]:
    if not text:
        return 0.0, 0.0
    parts = text.split(",")
    if len(parts) != 2:
        raise invalid("the environment's SWIFTEP_LINK", repr(text), "bytes_per_second,latency_seconds")
    rate, latency = (environment.number("SWIFTEP_LINK", part) for part in parts)
    return rate, latency
