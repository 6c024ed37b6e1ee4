"""Events, where DeepEP's package has them."""

from __future__ import annotations

from ..event import EventHandle, EventOverlap

__all__ = ["EventHandle", "EventOverlap"]
