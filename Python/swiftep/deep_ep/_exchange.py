"""One ``swiftep_buffer``: the memory for dispatches of one shape and format, and for their combines."""

from __future__ import annotations

import ctypes
from typing import NamedTuple, Optional

import torch

from .. import _library
from .._structures import BufferConfiguration, Overlap, Received
from .._torch.devices import Device
from .._torch.errors import invalid
from . import _refusals
from ._format import Format
from ._place import Place
from ._settings import Settings


class Shape(NamedTuple):
    """The parameters of a dispatch on which memory depends. All ranks of a group use the same ones in the same
    order."""

    max_tokens: int
    experts: int
    hidden: int
    top_k: int
    format: Format

    def check(self, ranks: int) -> None:
        """Raises ``InvalidArgument`` for sizes that kernels do not support."""
        if not 1 <= self.max_tokens <= 4096:
            raise invalid("num_max_dispatch_tokens_per_rank", self.max_tokens, "1 to 4,096")
        if self.experts < 1 or self.experts > 1024 or self.experts % ranks != 0:
            raise invalid("num_experts", self.experts, f"a multiple of the {ranks} ranks, up to 1,024")
        if self.hidden < 128 or self.hidden > 12_800 or self.hidden % 128 != 0:
            raise invalid("hidden (x.shape[1])", self.hidden, "a multiple of 128, 128 to 12,800")
        if not 1 <= self.top_k <= 32:
            raise invalid("the number of choices (topk_idx.shape[1])", self.top_k, "1 to 32")
        self.format.check(self.hidden)

    def configuration(self, settings: Settings, mask: bool) -> BufferConfiguration:
        rate, latency = settings.link
        return BufferConfiguration(
            hidden=self.hidden,
            experts=self.experts,
            top_k=self.top_k,
            max_tokens=self.max_tokens,
            format=self.format.code,
            scales=self.format.scales,
            block_m=settings.block_m,
            mask=int(mask),
            wait_seconds=settings.timeout,
            link_bytes_per_second=rate,
            link_latency_seconds=latency,
        )


class Exchange:
    """The memory of this rank for one shape, connected with that of the others, and tensors over it."""

    def __init__(
        self, device: Device, group: int, rank: int, ranks: int, shape: Shape, settings: Settings, mask: bool
    ) -> None:
        """Makes and connects it, together with all other ranks. Raises ``TransportError`` if they do not come, or
        come with another shape."""
        shape.check(ranks)
        self.shape = shape
        self.device = device
        self.local_experts = shape.experts // ranks
        self.max_rows = ranks * shape.max_tokens
        self.block_m = settings.block_m
        #: Signals of an overlapped combine.
        self.blocks = self.local_experts * -(-self.max_rows // self.block_m)
        number = ctypes.c_uint64()
        configuration = shape.configuration(settings, mask)
        _library.call("swiftep_buffer_create", group, rank, ctypes.byref(configuration), ctypes.byref(number))
        self.number = number.value
        #: The token of the buffer that it belongs to.
        self.owner: Optional[object] = None
        #: Handles from before the last reset are invalid, whatever their turns.
        self.resets = 0
        try:
            _library.call("swiftep_buffer_connect", self.number, settings.timeout)
            #: By the lowest bit of the turn.
            self.places = [self._place(turn, ranks, settings) for turn in range(2)]
        except BaseException:
            # No other object refers to it.
            self.free()
            raise
        # Made once, since allocations are part of a call's cost in Python.
        self.turn = ctypes.c_uint64()
        self.turn_pointer = ctypes.byref(self.turn)
        self.overlap = Overlap(block_m=self.block_m)
        self.overlap_pointer = ctypes.byref(self.overlap)

    def _place(self, turn: int, ranks: int, settings: Settings) -> Place:
        received = Received()
        _library.call("swiftep_buffer_received", self.number, turn, ctypes.byref(received))
        shape = self.shape
        return Place(
            self.device,
            received,
            shape.format,
            self.local_experts,
            ranks,
            self.max_rows,
            shape.hidden,
            settings.source_info,
        )

    def expert_output(self, place: Place, turn: int) -> torch.Tensor:
        """BF16 ``[L, M, H]`` of a place, made on first use."""
        if place.expert_output is None:
            address = ctypes.c_uint64()
            if not self.device.simulated:
                if self.device.capturing():
                    raise _refusals.capturing(self.shape, "get_next_low_latency_combine_buffer")
                _library.call("swiftep_buffer_expert_output", self.number, turn, ctypes.byref(address))
            place.expert_output = self.device.view(address.value, place.slab, torch.bfloat16)
        return place.expert_output

    def run_empty_step(self, overlap: Optional[Overlap]) -> None:
        """Runs a step without tokens, so that everything that first calls allocate exists."""
        stream = self.device.current_stream()
        _library.call("swiftep_dispatch_send", self.number, stream, 0, 0, 0, self.turn_pointer)
        turn = self.turn.value
        place = self.places[turn & 1]
        place.turn, place.tokens = turn, 0
        _library.call("swiftep_dispatch_receive", self.number, turn, stream, 0, 0)
        beside = None if overlap is None else ctypes.byref(overlap)
        # There are no rows to be read.
        _library.call("swiftep_combine_send", self.number, turn, stream, place.address, beside)
        _library.call("swiftep_combine_receive", self.number, turn, stream, 0, 0, 0, 0, 0)

    def free(self) -> None:
        _library.call("swiftep_buffer_free", self.number)
