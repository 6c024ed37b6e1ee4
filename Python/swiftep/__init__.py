"""SwiftEP: expert-parallel Mixture-of-Experts decode with Single Batch Overlap.

``Group`` has the ranks, ``MoELayer`` is a whole layer of one rank, ``Buffer`` dispatch and combine by themselves, and
``GroupedGEMM`` the GEMM between them. Arrays are tensors of PyTorch, arrays of NumPy on the simulator, or a
``DeviceArray``. The shared library is loaded at the first call, and needs neither PyTorch nor NumPy.
"""

from __future__ import annotations

from ._buffer import Buffer
from ._demo import demo
from ._device import Device, Graph, Stream
from ._device_array import DeviceArray
from ._dispatch import Dispatch, Overlap
from ._errors import (
    DeviceError,
    Error,
    InternalError,
    InvalidArgument,
    LibraryNotFound,
    OutOfOrder,
    TransportError,
    WaitTimedOut,
)
from ._gemm import GroupedGEMM, PackedWeights
from ._group import Group
from ._layer import LayerWeights, LocalLayers, MoELayer, SharedExpert
from ._numbers import from_bfloat16, from_float8, to_bfloat16, to_float8
from ._quantise import dequantise_blocks, quantise_blocks
from ._version import __version__

__all__ = [
    "Buffer",
    "Device",
    "DeviceArray",
    "DeviceError",
    "Dispatch",
    "Error",
    "Graph",
    "Group",
    "GroupedGEMM",
    "InternalError",
    "InvalidArgument",
    "LayerWeights",
    "LibraryNotFound",
    "LocalLayers",
    "MoELayer",
    "OutOfOrder",
    "Overlap",
    "PackedWeights",
    "SharedExpert",
    "Stream",
    "TransportError",
    "WaitTimedOut",
    "__version__",
    "demo",
    "dequantise_blocks",
    "from_bfloat16",
    "from_float8",
    "quantise_blocks",
    "to_bfloat16",
    "to_float8",
]
