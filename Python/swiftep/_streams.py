"""The stream that work goes to when the caller names none."""

from __future__ import annotations

import sys
from typing import Any

from ._device import Device, Stream, stream_number


class DefaultStream:
    """PyTorch's current stream, or the legacy default stream without PyTorch; a stream of its own on the simulator and
    where several ranks of one process wait for each other."""

    def __init__(self, device: Device, own: bool) -> None:
        self._device = device
        self._is_own = own or device.is_simulator
        self._own: Stream | None = None

    def number(self, stream: Any) -> int:
        """The number of `stream`, or of the default one if it is None."""
        if stream is not None:
            return stream_number(stream, self._device)
        if self._is_own:
            if self._own is None:
                self._own = self._device.stream()
            return self._own._number
        torch = sys.modules.get("torch")
        if torch is not None and torch.cuda.is_initialized():
            return int(torch.cuda.current_stream(self._device.ordinal).cuda_stream)
        return 0

    def close(self) -> None:
        """Frees a stream of its own."""
        if self._own is not None:
            self._own.close()
