"""Functions of ``swiftep.h``: their results and arguments, in the header's order.

``Tests/Python/test_header.py`` compares them with the header, argument by argument.
"""

from __future__ import annotations

import ctypes
from ctypes import c_char_p, c_double, c_int32, c_size_t, c_uint32, c_uint64, c_void_p
from typing import Any

from ._structures import (
    BufferConfiguration,
    DeviceInfo,
    GemmConfiguration,
    GroupInfo,
    LayerConfiguration,
    LayerWeights,
    Matrix,
    Overlap,
    Received,
)

_P = ctypes.POINTER

# Objects, device addresses and streams are numbers; a name for each says what an argument is.
device = memory = group = buffer = weights = gemm = layer = graph = c_uint64
address = stream = turn = c_uint64
seconds = c_double
result = c_int32

# int32_t (*body)(void *context)
Body = ctypes.CFUNCTYPE(c_int32, c_void_p)

PROTOTYPES: dict[str, tuple[Any, list[Any]]] = {
    "swiftep_abi_version": (c_uint32, []),
    "swiftep_last_error": (c_char_p, []),
    # Devices
    "swiftep_device_open": (result, [c_char_p, _P(device)]),
    "swiftep_device_describe": (result, [device, _P(DeviceInfo)]),
    "swiftep_device_synchronize": (result, [device]),
    "swiftep_device_close": (result, [device]),
    "swiftep_memory_allocate": (result, [device, c_uint64, _P(memory), _P(address)]),
    "swiftep_memory_adopt_host": (result, [device, c_void_p, c_uint64, _P(memory), _P(address)]),
    "swiftep_memory_free": (result, [memory]),
    "swiftep_memory_write": (result, [device, address, c_void_p, c_uint64]),
    "swiftep_memory_read": (result, [device, address, c_void_p, c_uint64]),
    "swiftep_stream_create": (result, [device, _P(stream)]),
    "swiftep_stream_synchronize": (result, [device, stream]),
    "swiftep_stream_free": (result, [device, stream]),
    "swiftep_graph_capture": (result, [device, stream, Body, c_void_p, _P(graph)]),
    "swiftep_graph_replay": (result, [graph, stream]),
    "swiftep_graph_free": (result, [graph]),
    # Groups of ranks
    "swiftep_group_identify": (result, [c_uint32, c_char_p, c_size_t]),
    "swiftep_group_identify_at": (result, [c_char_p, c_uint32, c_char_p, c_size_t]),
    "swiftep_group_join": (result, [device, c_char_p, c_uint32, c_uint32, c_uint32, seconds, _P(group)]),
    "swiftep_group_local": (result, [device, c_uint32, _P(group)]),
    "swiftep_group_describe": (result, [group, _P(GroupInfo)]),
    "swiftep_group_network": (result, [group, c_uint32, c_uint32]),
    "swiftep_group_barrier": (result, [group, seconds]),
    "swiftep_group_close": (result, [group, seconds]),
    # Dispatch and combine
    "swiftep_buffer_create": (result, [group, c_uint32, _P(BufferConfiguration), _P(buffer)]),
    "swiftep_buffer_bytes": (result, [_P(BufferConfiguration), c_uint32, _P(c_uint64)]),
    "swiftep_buffer_connect": (result, [buffer, seconds]),
    "swiftep_buffer_free": (result, [buffer]),
    "swiftep_buffer_received": (result, [buffer, turn, _P(Received)]),
    "swiftep_buffer_expert_output": (result, [buffer, turn, _P(address)]),
    "swiftep_dispatch_send": (result, [buffer, stream, address, address, c_uint32, _P(turn)]),
    "swiftep_dispatch_receive": (result, [buffer, turn, stream, address, address]),
    "swiftep_combine_send": (result, [buffer, turn, stream, address, _P(Overlap)]),
    "swiftep_combine_receive": (
        result,
        [buffer, turn, stream, address, address, c_uint32, address, address],
    ),
    "swiftep_buffer_barrier": (result, [buffer, stream]),
    "swiftep_buffer_poll": (result, [buffer]),
    "swiftep_buffer_check": (result, [buffer]),
    "swiftep_buffer_reset": (result, [buffer, seconds]),
    "swiftep_buffer_mask": (result, [buffer, c_uint32, c_uint32]),
    "swiftep_buffer_masks": (result, [buffer, stream, address]),
    # Grouped GEMM
    "swiftep_weights_pack": (result, [device, _P(Matrix), _P(weights)]),
    "swiftep_weights_free": (result, [weights]),
    "swiftep_gemm_create": (result, [weights, _P(GemmConfiguration), _P(gemm)]),
    "swiftep_gemm_threshold": (result, [gemm, _P(c_uint32)]),
    "swiftep_gemm_run": (
        result,
        [gemm, stream, address, address, address, address, address, address, c_uint32],
    ),
    "swiftep_gemm_free": (result, [gemm]),
    # Whole layers
    "swiftep_layer_create": (
        result,
        [group, c_uint32, _P(LayerConfiguration), _P(LayerWeights), _P(layer)],
    ),
    "swiftep_layer_connect": (result, [layer, seconds]),
    "swiftep_layer_free": (result, [layer]),
    "swiftep_layer_step": (
        result,
        [layer, stream, c_uint32, address, address, address, c_uint32, address],
    ),
    "swiftep_layer_step_gated": (
        result,
        [layer, stream, c_uint32, address, address, address, address, c_uint32, address],
    ),
    "swiftep_layer_poll": (result, [layer]),
    "swiftep_layer_check": (result, [layer]),
    "swiftep_layer_reset": (result, [layer, seconds]),
    "swiftep_layer_mask": (result, [layer, c_uint32, c_uint32]),
    "swiftep_layer_masks": (result, [layer, stream, address]),
}
