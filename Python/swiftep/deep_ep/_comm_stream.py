"""The stream of a buffer, for calls without a hook."""

from __future__ import annotations

from typing import Any, Optional, Sequence

import torch

from .._torch.devices import Device
from .event import EventHandle, EventOverlap


class CommStream:
    """A stream of its own, whose work comes between the current stream's earlier and later work.

    On the simulator it is the device's one stream: calls return when their work is done."""

    def __init__(self, device: Device) -> None:
        self._device = device
        self._stream: Optional[torch.cuda.Stream] = None
        self._number = 0

    @property
    def stream(self) -> Any:
        """The stream, made when it is first used; None on the simulator."""
        if self._stream is None and not self._device.simulated:
            self._stream = torch.cuda.Stream(self._device.index)
            self._number = self._stream.cuda_stream
            # Recorded again for each call: a wait is for the last record.
            self._before, self._after = torch.cuda.Event(), torch.cuda.Event()
        return self._stream

    def enter(self) -> int:
        """Makes the stream wait for the current one, and returns its number."""
        stream = self.stream
        if stream is None:
            return self._device.current_stream()
        self._before.record(torch.cuda.current_stream(self._device.index))
        stream.wait_event(self._before)
        return self._number

    def leave(self, asynchronous: bool, tensors: Sequence[Any]) -> EventOverlap:
        """Makes the current stream wait, or returns an event to wait for. The tensors' memory stays until the work is
        done."""
        stream = self._stream
        if stream is None:
            return EventOverlap()
        if asynchronous:
            event = torch.cuda.Event()
            event.record(stream)
            used = [tensor for tensor in tensors if tensor is not None]
            for tensor in used:
                # The event may be dropped before it is waited for.
                tensor.record_stream(stream)
            return EventOverlap(EventHandle(event), used)
        self._after.record(stream)
        torch.cuda.current_stream(self._device.index).wait_event(self._after)
        return EventOverlap()
