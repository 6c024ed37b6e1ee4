"""The number of multiprocessors that GEMMs run on: one for the process, as in DeepGEMM."""

from __future__ import annotations

from typing import Callable, Optional

from .._torch import devices
from .._torch.errors import invalid

_count = 0
# Where an original module holds the number, once its function has been replaced.
_source: Optional[Callable[[], int]] = None


def set_num_sms(num_sms: int) -> None:
    """Limits GEMMs to ``num_sms`` multiprocessors, from the next call on."""
    global _count
    most = devices.default().multiprocessors
    if not 1 <= num_sms <= most:
        raise invalid("num_sms", num_sms, f"1 to {most}, which this device has")
    _count = num_sms


def get_num_sms() -> int:
    """Multiprocessors that GEMMs run on: the number set last, else all of the device's."""
    return _count or devices.default().multiprocessors


def limit() -> int:
    """The same for a launch, 0 for all."""
    return _count if _source is None else _source()


def follow(source: Callable[[], int]) -> None:
    """Takes the number from ``source`` from here on."""
    global _source
    _source = source
