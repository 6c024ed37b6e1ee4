"""Events on streams, in DeepEP's form."""

from __future__ import annotations

from typing import Any, Callable, Optional, Sequence

import torch


class EventHandle:
    """An event recorded on the current stream, or ``event`` if it has been recorded already.

    Without a GPU all work is done when a call returns, and an event has nothing to wait for."""

    __slots__ = ("event",)

    def __init__(self, event: Optional["torch.cuda.Event"] = None) -> None:
        if event is None and torch.cuda.is_available():
            event = torch.cuda.Event()
            event.record()
        self.event = event

    def current_stream_wait(self) -> None:
        """Makes the current stream wait for the event."""
        if self.event is not None:
            self.event.wait()


class EventOverlap:
    """An event of a call that runs on another stream, and the tensors that must stay until then.

    ``with event:`` waits at the end of the block. Without an event there is nothing to wait for."""

    __slots__ = ("event", "extra_tensors", "_hooks")

    def __init__(
        self, event: Optional[EventHandle] = None, extra_tensors: Optional[Sequence[torch.Tensor]] = None
    ) -> None:
        self.event = event
        self.extra_tensors = extra_tensors
        self._hooks: list[Callable[[], Any]] = []

    def current_stream_wait(self, release_handle: bool = False) -> None:
        """Makes the current stream wait, then runs the registered hooks.

        release_handle: also releases the event and the tensors, which from here on are in the order of the current
        stream."""
        if self.event is not None:
            self.event.current_stream_wait()
        if release_handle:
            self.event = None
            self.extra_tensors = None
        hooks, self._hooks = self._hooks, []
        for hook in hooks:
            hook()

    def register_hook_after_wait(self, hook: Callable[[], Any]) -> None:
        """Runs ``hook`` once, when ``current_stream_wait`` has been called."""
        self._hooks.append(hook)

    def __enter__(self) -> "EventOverlap":
        return self

    def __exit__(self, *_: Any) -> None:
        self.current_stream_wait()
