"""Dispatch and combine of one rank."""

from __future__ import annotations

import ctypes
from typing import Any, Mapping

from . import _check
from . import _structures as c
from ._arrays import Array, operand, output
from ._dispatch import Dispatch, Overlap
from ._dtypes import BFLOAT16, FLOAT32, INT64
from ._errors import InvalidArgument, OutOfOrder
from ._group import SECONDS, Group
from ._handles import Core
from ._library import call
from ._rank_object import RankObject
from ._streams import DefaultStream

FORMATS: Mapping[str, int] = {"bfloat16": c.BFLOAT16, "float8": c.FLOAT8}
SCALES: Mapping[str, int] = {
    "float32": c.SCALES_FLOAT32,
    "power_of_two": c.SCALES_POWER_OF_TWO,
    "exponents": c.SCALES_EXPONENTS,
}


class Buffer(RankObject):
    """The memory of a rank of this process for dispatch and combine. All ranks make theirs with the same configuration
    and in the same order.

    Functions marked [enqueues] only put work on a stream. On the simulator it runs when the device, or the group, is
    synchronised, which must be after all ranks of this process have enqueued theirs. A stream is a ``Stream``, a
    ``torch.cuda.Stream`` or its number; None is PyTorch's current stream. Where the process has several ranks, which
    wait for each other, and on the simulator, None is a stream of the buffer's own, which is not ordered with any
    other.

    Args:
        rank: A rank of this process; None if there is only one.
        hidden: Channels of a token, a multiple of 128 up to 12,800; of 512 with exponents as scales.
        experts: Experts of the group, a multiple of the ranks, up to 1,024.
        top_k: Experts of a token, 1 to 32.
        max_tokens: Most tokens that a rank brings to a step, 1 to 4,096.
        format: Format of dispatched rows, "float8" or "bfloat16".
        scales: Scales of float8 rows, one per 128 channels: "float32", "power_of_two", or "exponents", four to a
            UInt32.
        block_m: Rows per signal of a combine beside its producer: 16, 32, 64 or 128; 0 for 64.
        multiprocessors: Multiprocessors that the rank may use; 0 for its share of the device.
        mask: Whether a rank for which a wait times out is masked, and the others go on; otherwise such a wait is an
            error.
        wait_seconds: Seconds after which a wait is given up; 0 for 10.
        link_bytes_per_second, link_latency_seconds: A modelled link between each two ranks; 0 for none.
        connect: Whether to wait for the memory of the other ranks now. Where a process has several ranks, all make
            theirs first (``Group.buffers`` does).

    Raises ``InvalidArgument``, ``DeviceError``, ``TransportError``."""

    _functions = "swiftep_buffer"

    def __init__(
        self,
        group: Group,
        rank: int | None = None,
        *,
        hidden: int,
        experts: int,
        top_k: int,
        max_tokens: int,
        format: str = "float8",
        scales: str = "float32",
        block_m: int = 0,
        multiprocessors: int = 0,
        mask: bool = False,
        wait_seconds: float = 0.0,
        link_bytes_per_second: float = 0.0,
        link_latency_seconds: float = 0.0,
        connect: bool | None = None,
    ) -> None:
        _check.instance(group, "group", Group, "a swiftep.Group")
        self.group = group
        self.device = group.device
        self.rank = group._rank(rank)
        self._configuration = configuration(
            hidden=hidden,
            experts=experts,
            top_k=top_k,
            max_tokens=max_tokens,
            format=format,
            scales=scales,
            block_m=block_m,
            multiprocessors=multiprocessors,
            mask=mask,
            wait_seconds=wait_seconds,
            link_bytes_per_second=link_bytes_per_second,
            link_latency_seconds=link_latency_seconds,
        )
        number = ctypes.c_uint64()
        call(
            "swiftep_buffer_create",
            group._number,
            self.rank,
            ctypes.byref(self._configuration),
            ctypes.byref(number),
        )
        self._core = Core("buffer", number.value, _free, group._core)
        self._streams = DefaultStream(self.device, group.local_ranks > 1)
        self._latest: int | None = None
        # Dispatches from before a reset are over, whatever their turns.
        self._resets = 0
        self.hidden = hidden
        self.experts = experts
        self.top_k = top_k
        self.max_tokens = max_tokens
        self.format = format
        self.scales = scales
        self.block_m: int = block_m or 64
        #: Experts of this rank.
        self.local_experts: int = experts // group.ranks
        #: The most rows of an expert.
        self.max_rows: int = group.ranks * max_tokens
        if group.local_ranks == 1 if connect is None else connect:
            self.connect()

    @staticmethod
    def bytes(ranks: int, **configuration_: Any) -> int:
        """Bytes of device memory that a buffer takes in a group of `ranks` ranks, with the arguments of ``Buffer``."""
        total = ctypes.c_uint64()
        sizes = configuration(**configuration_)
        call("swiftep_buffer_bytes", ctypes.byref(sizes), _check.integer(ranks, "ranks", 1), ctypes.byref(total))
        return total.value

    def connect(self, seconds: float = SECONDS) -> None:
        """Waits until the memory of all ranks is known, `seconds` at most. Raises ``TransportError``."""
        call("swiftep_buffer_connect", self._number, _check.number(seconds, "seconds"))

    def dispatch(self, x: Array, topk_idx: Array, *, stream: Any = None) -> Dispatch:
        """[enqueues] Sends tokens to their experts' ranks. The rows of the dispatch before the last one are
        overwritten.

        Args:
            x: BF16 `[tokens, hidden]`, at a multiple of 16, up to `max_tokens` tokens.
            topk_idx: Int64 `[tokens, top_k]`; any number that is no expert selects nothing, and no token may name an
                expert twice.

        Raises ``InvalidArgument``; ``OutOfOrder`` and ``WaitTimedOut`` if the buffer has failed before."""
        number = self._number
        with self.device._lock:
            states = operand(x, "x", BFLOAT16, ("tokens", self.hidden), self.device)
            tokens = self._tokens(states.shape[0])
            choices = operand(topk_idx, "topk_idx", INT64, (tokens, self.top_k), self.device, align=8)
            turn = ctypes.c_uint64()
            call(
                "swiftep_dispatch_send",
                number,
                self._streams.number(stream),
                states.address,
                choices.address,
                tokens,
                ctypes.byref(turn),
            )
        self._latest = turn.value
        return Dispatch(self, turn.value, tokens, x)

    def combine(
        self,
        dispatch: Dispatch,
        rows: Array,
        topk_idx: Array,
        topk_weights: Array,
        out: Array | None = None,
        overlap: Overlap | None = None,
        *,
        stream: Any = None,
        waits: Array | None = None,
    ) -> Array:
        """[enqueues] Sends rows home and adds up the rows that come home, weighted: in Float32, in the order of a
        token's choices, rounded once. It may be repeated for the same dispatch. The same as ``combine_send`` and
        ``combine_receive``.

        Args:
            rows: BF16 `[local_experts, max_rows, hidden]`, at a multiple of 16; those beyond each expert's count are
                not read.
            topk_idx: As in the dispatch.
            topk_weights: Float32 `[tokens, top_k]`.
            out: BF16 `[tokens, hidden]`, at a multiple of 16; None for a new array of the kind of x.
            overlap: None if all rows are there when the stream gets here.
            waits: Int64 `[ranks]`, to which nanoseconds waited for each rank are added.

        Returns `out`, which is written when the stream has got here."""
        with self.device._lock:
            send = self._prepare_send(dispatch, rows, overlap, stream)
            receive, out = self._prepare_receive(dispatch, topk_idx, topk_weights, out, stream, waits)
            call("swiftep_combine_send", *send)
            call("swiftep_combine_receive", *receive)
        return out

    def combine_send(
        self, dispatch: Dispatch, rows: Array, overlap: Overlap | None = None, *, stream: Any = None
    ) -> None:
        """[enqueues] Sends rows home, block by block beside their producer with an `overlap`. As ``combine``."""
        with self.device._lock:
            call("swiftep_combine_send", *self._prepare_send(dispatch, rows, overlap, stream))

    def _prepare_send(self, dispatch: Dispatch, rows: Array, overlap: Overlap | None, stream: Any) -> tuple[Any, ...]:
        """The arguments of a send, checked."""
        number, turn = self._number, self._turn(dispatch)
        shape = (self.local_experts, self.max_rows, self.hidden)
        home = operand(rows, "rows", BFLOAT16, shape, self.device)
        if overlap is not None:
            _check.instance(overlap, "overlap", Overlap, "a swiftep.Overlap")
        beside = None if overlap is None else ctypes.byref(overlap._structure(self))
        return number, turn, self._streams.number(stream), home.address, beside

    def combine_receive(
        self,
        dispatch: Dispatch,
        topk_idx: Array,
        topk_weights: Array,
        out: Array | None = None,
        *,
        stream: Any = None,
        waits: Array | None = None,
    ) -> Array:
        """[enqueues] Adds up the rows that have come home. As ``combine``."""
        with self.device._lock:
            arguments, out = self._prepare_receive(dispatch, topk_idx, topk_weights, out, stream, waits)
            call("swiftep_combine_receive", *arguments)
        return out

    def _prepare_receive(
        self,
        dispatch: Dispatch,
        topk_idx: Array,
        topk_weights: Array,
        out: Array | None,
        stream: Any,
        waits: Array | None,
    ) -> tuple[tuple[Any, ...], Array]:
        """The arguments of a receive, checked, and the array of its result."""
        number, turn = self._number, self._turn(dispatch)
        shape = (dispatch.tokens, self.top_k)
        choices = operand(topk_idx, "topk_idx", INT64, shape, self.device, align=8)
        factors = operand(topk_weights, "topk_weights", FLOAT32, shape, self.device, align=4)
        out, sums = output(dispatch._like, out, "out", BFLOAT16, (dispatch.tokens, self.hidden), self.device)
        queue, waited = self._streams.number(stream), self._waits(waits)
        places = (choices.address, factors.address, dispatch.tokens, sums.address, waited)
        return (number, turn, queue, *places), out

    def barrier(self, *, stream: Any = None) -> None:
        """[enqueues] A barrier of all ranks: the stream waits until the streams of all have come to it."""
        call("swiftep_buffer_barrier", self._number, self._streams.number(stream))

    def reset(self, seconds: float = SECONDS) -> None:
        super().reset(seconds)
        self._latest = None
        self._resets += 1

    def _tokens(self, tokens: int) -> int:
        if tokens > self.max_tokens:
            raise InvalidArgument(
                f"x has {tokens:,} tokens, and the buffer has room for {self.max_tokens:,}; make it with a larger "
                f"max_tokens"
            )
        return tokens

    def _turn(self, dispatch: Dispatch) -> int:
        """The number of a dispatch of this buffer whose rows are still there."""
        _check.instance(dispatch, "dispatch", Dispatch, "what Buffer.dispatch has returned")
        if dispatch.buffer is not self:
            raise InvalidArgument(f"dispatch is one of {dispatch.buffer!r}; give one of {self!r}")
        if dispatch._resets != self._resets or self._latest is None or self._latest - dispatch.turn >= 2:
            raise OutOfOrder(
                f"dispatch {dispatch.turn} is over: what it received is overwritten by the second dispatch behind it, "
                f"and gone after a reset; dispatch again"
            )
        return dispatch.turn

    def _waits(self, waits: Array | None) -> int:
        if waits is None:
            return 0
        return operand(waits, "waits", INT64, (self.group.ranks,), self.device, align=8, writable=True).address

    def __repr__(self) -> str:
        return self._describe(
            f"of rank {self.rank}: {self.experts} experts, top {self.top_k}, hidden {self.hidden}, "
            f"{self.max_tokens} tokens, {self.format}"
        )


def configuration(
    *,
    hidden: int,
    experts: int,
    top_k: int,
    max_tokens: int,
    format: str = "float8",
    scales: str = "float32",
    block_m: int = 0,
    multiprocessors: int = 0,
    mask: bool = False,
    wait_seconds: float = 0.0,
    link_bytes_per_second: float = 0.0,
    link_latency_seconds: float = 0.0,
) -> c.BufferConfiguration:
    """The structure of these arguments of ``Buffer``. Raises ``InvalidArgument``."""
    if format == "bfloat16" and scales == "exponents":
        raise InvalidArgument('scales are "exponents", and bfloat16 rows have none; give format="float8", or no scales')
    return c.BufferConfiguration(
        hidden=_check.integer(hidden, "hidden"),
        experts=_check.integer(experts, "experts"),
        top_k=_check.integer(top_k, "top_k"),
        max_tokens=_check.integer(max_tokens, "max_tokens"),
        format=_check.choice(format, "format", FORMATS),
        scales=_check.choice(scales, "scales", SCALES),
        block_m=_check.integer(block_m, "block_m"),
        multiprocessors=_check.integer(multiprocessors, "multiprocessors"),
        mask=_check.flag(mask, "mask"),
        wait_seconds=_check.number(wait_seconds, "wait_seconds"),
        link_bytes_per_second=_check.number(link_bytes_per_second, "link_bytes_per_second"),
        link_latency_seconds=_check.number(link_latency_seconds, "link_latency_seconds"),
    )


def _free(number: int) -> None:
    call("swiftep_buffer_free", number)
