"""The common part of ``Buffer`` and ``MoELayer``: failures, masks, and closing."""

from __future__ import annotations

from typing import Any, ClassVar

from . import _check
from ._arrays import Array, operand
from ._device import Device
from ._dtypes import INT32
from ._group import SECONDS, Group
from ._handles import Handle
from ._library import call
from ._streams import DefaultStream


class RankObject(Handle):
    """An object of a rank, with the calls that differ only in the name of the function."""

    #: Prefix of its functions of the C interface.
    _functions: ClassVar[str]
    group: Group
    device: Device
    _streams: DefaultStream

    def poll(self) -> None:
        """Raises ``WaitTimedOut`` if a kernel's wait has timed out, without waiting: a failure shows a fraction of a
        second late."""
        call(f"{self._functions}_poll", self._number)

    def check(self) -> None:
        """Waits for all work of the device, and raises ``WaitTimedOut`` if a wait has failed."""
        call(f"{self._functions}_check", self._number)

    def reset(self, seconds: float = SECONDS) -> None:
        """Resets the object to its first state after a failure, together with all other ranks, for which it waits;
        where a process has several, ``Group.reset`` and ``LocalLayers.reset`` reset them at the same time. Raises
        ``TransportError``."""
        call(f"{self._functions}_reset", self._number, _check.number(seconds, "seconds"))

    def mask(self, rank: int, masked: bool = True) -> None:
        """Masks a rank, or unmasks it when all ranks are between two steps. This object may have no work running."""
        call(
            f"{self._functions}_mask",
            self._number,
            _check.integer(rank, "rank", 0, self.group.ranks - 1),
            _check.flag(masked, "masked"),
        )

    def masks(self, out: Array, *, stream: Any = None) -> None:
        """[enqueues] Writes 1 for each rank that is masked. out: Int32 `[ranks]`."""
        number = self._number
        with self.device._lock:
            status = operand(out, "out", INT32, (self.group.ranks,), self.device, align=4, writable=True)
            call(f"{self._functions}_masks", number, self._streams.number(stream), status.address)

    def close(self) -> None:
        """Frees the object; the other ranks must be done with it."""
        super().close()
        self._streams.close()
