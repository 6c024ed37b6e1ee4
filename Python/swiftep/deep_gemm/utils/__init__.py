"""Layouts of scales, and FP8 operands for tests."""

from __future__ import annotations

from . import layout, math

__all__ = ["layout", "math"]
