"""Functions that DeepEP's tests import from its package."""

from __future__ import annotations

from .envs import init_dist
from .event import EventHandle, EventOverlap
from .math import calc_diff, ceil_div, hash_tensor, per_token_cast_back, per_token_cast_to_fp8
from .testing import bench, bench_kineto

__all__ = [
    "EventHandle",
    "EventOverlap",
    "bench",
    "bench_kineto",
    "calc_diff",
    "ceil_div",
    "hash_tensor",
    "init_dist",
    "per_token_cast_back",
    "per_token_cast_to_fp8",
]
