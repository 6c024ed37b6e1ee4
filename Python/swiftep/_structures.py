"""Structures and constants of ``swiftep.h``, with the header's names in Python's spelling.

``Tests/Python/test_header.py`` compares them with the header field by field.
"""

from __future__ import annotations

import ctypes
from ctypes import c_char, c_double, c_uint32, c_uint64
from typing import Any

ABI_VERSION = 1

OK = 0
INVALID = 1
STATE = 2
TIMEOUT = 3
DEVICE = 4
TRANSPORT = 5
INTERNAL = 6

SIMULATOR = 0
CUDA = 1

IDENTITY_BYTES = 256

NETWORK_NONE = 0
NETWORK_LOOPBACK = 1
NETWORK_ENGINE = 2
NETWORK_NVSHMEM = 3

BFLOAT16 = 0
FLOAT8 = 1

SCALES_FLOAT32 = 0
SCALES_POWER_OF_TWO = 1
SCALES_EXPONENTS = 2

STORE = 0
SWIGLU = 1

OVERLAP_NONE = 0
OVERLAP_SINGLE_BATCH = 1
OVERLAP_TWO_BATCH = 2
OVERLAP_DIRECT = 3

CLAMP_GATE = 0
CLAMP_SILU = 1


class Structure(ctypes.Structure):
    """A structure that begins with its size in bytes, which the initialiser sets; fields not given are 0."""

    def __init__(self, **fields: Any) -> None:
        super().__init__(size=ctypes.sizeof(type(self)), **fields)

    def __repr__(self) -> str:
        fields = ", ".join(f"{name}={getattr(self, name)!r}" for name, *_ in self._fields_[1:])
        return f"{type(self).__name__}({fields})"


class DeviceInfo(Structure):
    _fields_ = [
        ("size", c_uint32),
        ("kind", c_uint32),
        ("multiprocessors", c_uint32),
        ("reserved", c_uint32),
        ("memory_bytes", c_uint64),
        ("l2_bytes", c_uint64),
        ("name", c_char * 128),
    ]


class GroupInfo(Structure):
    _fields_ = [
        ("size", c_uint32),
        ("ranks", c_uint32),
        ("processes", c_uint32),
        ("process", c_uint32),
        ("first_rank", c_uint32),
        ("local_ranks", c_uint32),
        ("ranks_on_device", c_uint32),
        ("devices", c_uint32),
    ]


class BufferConfiguration(Structure):
    _fields_ = [
        ("size", c_uint32),
        ("hidden", c_uint32),
        ("experts", c_uint32),
        ("top_k", c_uint32),
        ("max_tokens", c_uint32),
        ("format", c_uint32),
        ("scales", c_uint32),
        ("block_m", c_uint32),
        ("multiprocessors", c_uint32),
        ("mask", c_uint32),
        ("wait_seconds", c_double),
        ("link_bytes_per_second", c_double),
        ("link_latency_seconds", c_double),
    ]


class Received(Structure):
    _fields_ = [
        ("size", c_uint32),
        ("scale_rows", c_uint32),
        ("rows", c_uint64),
        ("row_scales", c_uint64),
        ("received_count", c_uint64),
        ("source_info", c_uint64),
        ("layout_range", c_uint64),
    ]


class Overlap(Structure):
    _fields_ = [
        ("size", c_uint32),
        ("block_m", c_uint32),
        ("signals", c_uint64),
        ("threshold", c_uint32),
        ("multiprocessors", c_uint32),
    ]


class Matrix(Structure):
    _fields_ = [
        ("size", c_uint32),
        ("experts", c_uint32),
        ("n", c_uint32),
        ("k", c_uint32),
        ("values", c_uint64),
        ("scales", c_uint64),
        ("gated", c_uint32),
        ("in_place", c_uint32),
    ]


class GemmConfiguration(Structure):
    _fields_ = [
        ("size", c_uint32),
        ("max_rows", c_uint32),
        ("block_m", c_uint32),
        ("output", c_uint32),
        ("signals", c_uint32),
        ("scales", c_uint32),
        ("scale_rows", c_uint32),
    ]


class LayerConfiguration(Structure):
    _fields_ = [
        ("size", c_uint32),
        ("hidden", c_uint32),
        ("intermediate", c_uint32),
        ("experts", c_uint32),
        ("top_k", c_uint32),
        ("max_tokens", c_uint32),
        ("shared_intermediate", c_uint32),
        ("scales", c_uint32),
        ("block_m", c_uint32),
        ("multiprocessors", c_uint32),
        ("communication_multiprocessors", c_uint32),
        ("two_batch", c_uint32),
        ("mask", c_uint32),
        ("shared_gate", c_uint32),
        ("wait_seconds", c_double),
        ("link_bytes_per_second", c_double),
        ("link_latency_seconds", c_double),
        ("swiglu_limit", c_double),
        ("swiglu_shared_limit", c_double),
        ("swiglu_alpha", c_double),
        ("swiglu_offset", c_double),
        ("swiglu_clamp", c_uint32),
        ("set_l2_aside", c_uint32),
    ]


class LayerWeights(Structure):
    _fields_ = [
        ("size", c_uint32),
        ("reserved", c_uint32),
        ("gate_up", c_uint64),
        ("gate_up_scales", c_uint64),
        ("down", c_uint64),
        ("down_scales", c_uint64),
        ("shared_gate_up", c_uint64),
        ("shared_gate_up_scales", c_uint64),
        ("shared_down", c_uint64),
        ("shared_down_scales", c_uint64),
    ]
