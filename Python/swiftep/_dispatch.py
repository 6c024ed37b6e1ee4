"""The rows that a dispatch has received, and the overlap of a combine with the producer of its rows."""

from __future__ import annotations

import ctypes
from typing import TYPE_CHECKING, Any, NamedTuple

from . import _check
from . import _structures as c
from ._arrays import Array, operand
from ._device_array import DeviceArray
from ._dtypes import BFLOAT16, FLOAT8, FLOAT32, INT32, INT64, UINT32, DType
from ._library import call

if TYPE_CHECKING:
    from ._buffer import Buffer


class Dispatch:
    """A dispatch that has been sent. Its arrays are views of the buffer's memory, filled once the stream has passed
    ``receive``; the next dispatch but one overwrites them."""

    def __init__(self, buffer: Buffer, turn: int, tokens: int, like: Array) -> None:
        self.buffer = buffer
        #: Its number in the buffer.
        self.turn = turn
        self._resets = buffer._resets
        #: Tokens that this rank has sent.
        self.tokens = tokens
        # Results are returned as arrays of this kind; on the simulator it is read until the device has run.
        self._like = like
        self._places: c.Received | None = None
        self._output: int | None = None

    def receive(self, *, stream: Any = None, totals: Array | None = None, waits: Array | None = None) -> Dispatch:
        """[enqueues] Waits on the stream until all rows of the dispatch have arrived. Returns itself.

        totals: Int32 `[local_experts]`, to which the rows received are added. waits: Int64 `[ranks]`, to which
        nanoseconds waited for each rank are added."""
        buffer = self.buffer
        number, turn = buffer._number, buffer._turn(self)
        added = 0
        with buffer.device._lock:
            if totals is not None:
                shape = (buffer.local_experts,)
                added = operand(totals, "totals", INT32, shape, buffer.device, align=4, writable=True).address
            call("swiftep_dispatch_receive", number, turn, buffer._streams.number(stream), added, buffer._waits(waits))
        return self

    @property
    def rows(self) -> DeviceArray:
        """FP8 or BF16 `[local_experts, max_rows, hidden]`."""
        buffer = self.buffer
        dtype = FLOAT8 if buffer.format == "float8" else BFLOAT16
        return self._view(self._received.rows, (buffer.max_rows, buffer.hidden), dtype)

    @property
    def row_scales(self) -> DeviceArray | None:
        """Float32 `[local_experts, hidden / 128, scale_rows]`; as exponents UInt32 `[local_experts, hidden / 512,
        scale_rows]`, those of four neighbouring groups in a word, the first one lowest. None for BF16 rows."""
        buffer, places = self.buffer, self._received
        if buffer.format != "float8":
            return None
        if buffer.scales == "exponents":
            return self._view(places.row_scales, (buffer.hidden // 512, places.scale_rows), UINT32)
        return self._view(places.row_scales, (buffer.hidden // 128, places.scale_rows), FLOAT32)

    @property
    def received_count(self) -> DeviceArray:
        """Int32 `[local_experts]`: rows of each expert."""
        return self._view(self._received.received_count, (), INT32)

    @property
    def source_info(self) -> DeviceArray:
        """Int64 `[local_experts, max_rows]`: source rank in the high half, its token in the low one. Rows of an expert
        are sorted by source rank, then by token."""
        return self._view(self._received.source_info, (self.buffer.max_rows,), INT64)

    @property
    def layout_range(self) -> DeviceArray:
        """Int64 `[local_experts, ranks]`: first row in the high half, rows in the low one."""
        return self._view(self._received.layout_range, (self.buffer.group.ranks,), INT64)

    @property
    def expert_output(self) -> DeviceArray:
        """BF16 `[local_experts, max_rows, hidden]`, free for the caller: rows to be combined may be written here. The
        first use for each of the two places allocates it."""
        if self._output is None:
            address = ctypes.c_uint64()
            number, turn = self.buffer._number, self.buffer._turn(self)
            call("swiftep_buffer_expert_output", number, turn, ctypes.byref(address))
            self._output = address.value
        return self._view(self._output, (self.buffer.max_rows, self.buffer.hidden), BFLOAT16)

    @property
    def _received(self) -> c.Received:
        turn = self.buffer._turn(self)
        if self._places is None:
            places = c.Received()
            call("swiftep_buffer_received", self.buffer._number, turn, ctypes.byref(places))
            self._places = places
        return self._places

    def _view(self, address: int, shape: tuple[int, ...], dtype: DType) -> DeviceArray:
        buffer = self.buffer
        return DeviceArray(buffer.device, address, (buffer.local_experts, *shape), dtype, buffer._core)

    def __repr__(self) -> str:
        return f"<swiftep.Dispatch {self.turn} of {self.tokens} tokens, of {self.buffer!r}>"


class Overlap(NamedTuple):
    """How a combine runs beside the producer of its rows, which must leave it multiprocessors and must not wait for the
    send: it runs on another stream."""

    #: UInt32 or Int32 `[local_experts, ceil(max_rows / block_m)]`, zero before the producer starts, which adds to it
    #: with release.
    signals: Array
    #: A block is complete when its signal is at least this: ``GroupedGEMM.threshold``.
    threshold: int
    #: Multiprocessors for the send, at least 1.
    multiprocessors: int

    def _structure(self, buffer: Buffer) -> c.Overlap:
        blocks = -(-buffer.max_rows // buffer.block_m)
        shape = (buffer.local_experts, blocks)
        signals = operand(self.signals, "overlap.signals", UINT32, shape, buffer.device, align=4, writable=True)
        return c.Overlap(
            block_m=buffer.block_m,
            signals=signals.address,
            threshold=_check.integer(self.threshold, "overlap.threshold", 1),
            multiprocessors=_check.integer(self.multiprocessors, "overlap.multiprocessors", 1),
        )
