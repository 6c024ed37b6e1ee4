"""Objects of the library: numbers that are freed once, after everything that was made on them.

A core frees its number when it is closed, when it is garbage-collected, or when the interpreter ends. It refers to the
core on which it was made, never the other way round, so that a parent outlives its children however they go.
"""

from __future__ import annotations

import atexit
import itertools
import os
import weakref
from typing import Any, Callable, TypeVar

from ._errors import Error, OutOfOrder

_made = itertools.count()
_live: weakref.WeakSet[Core] = weakref.WeakSet()

H = TypeVar("H", bound="Handle")


class Core:
    """The number of an object, and the function that frees it."""

    def __init__(self, kind: str, number: int, free: Callable[[int], None], parent: Core | None) -> None:
        self.kind = kind
        self.order = next(_made)
        self.parent = parent
        self._number = number
        self._free: Callable[[int], None] | None = free
        self._process = os.getpid()
        self._children: weakref.WeakSet[Core] = weakref.WeakSet()
        if parent is not None:
            parent._children.add(self)
        _live.add(self)

    @property
    def is_open(self) -> bool:
        return self._free is not None

    @property
    def number(self) -> int:
        """Raises ``OutOfOrder`` after close."""
        self.require_open()
        return self._number

    def require_open(self) -> None:
        """Raises ``OutOfOrder`` after close, and in a process that was forked from the one that made it."""
        if self._free is None:
            raise OutOfOrder(f"this {self.kind} is closed; make another")
        if self._process != os.getpid():
            raise OutOfOrder(
                f"this {self.kind} is one of process {self._process}, from which this one was forked; make it in the "
                f"process that uses it, and start processes by spawning them"
            )

    def children(self) -> list[Core]:
        """Open cores that were made on this one, latest first."""
        return sorted((core for core in self._children if core.is_open), key=lambda core: -core.order)

    def close(self) -> None:
        """Closes the cores that were made on this one, latest first, and then frees the object. Does nothing the second
        time."""
        for child in self.children():
            child.close()
        free, self._free = self._free, None
        # A process that was forked has none of the library's threads, and the objects are its parent's.
        if free is not None and self._process == os.getpid():
            free(self._number)

    def __del__(self) -> None:
        try:
            self.close()
        except Error:
            pass  # No caller can receive the error.


@atexit.register
def _close_all() -> None:
    for core in sorted(_live, key=lambda core: -core.order):
        try:
            core.close()
        except Error:
            pass  # The others are still to be closed.


class Handle:
    """An object that can be closed, by itself or as a context manager."""

    _core: Core

    @property
    def _number(self) -> int:
        return self._core.number

    @property
    def is_open(self) -> bool:
        """Whether the object can be used."""
        return self._core.is_open

    def close(self) -> None:
        """Frees the object and all that were made on it. Does nothing the second time."""
        self._core.close()

    def __enter__(self: H) -> H:
        self._core.require_open()
        return self

    def __exit__(self, *_: Any) -> None:
        self.close()

    def _describe(self, text: str) -> str:
        return f"<swiftep.{type(self).__name__} {text}{'' if self._core.is_open else ', closed'}>"
