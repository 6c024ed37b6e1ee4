"""The state that a buffer's calls share: the ranks, the device, and the memory for each shape."""

from __future__ import annotations

from time import monotonic
from typing import Any, Callable, Optional, Union

import torch

from .. import _library
from .._torch import devices
from .._torch.errors import fail
from .._torch.simulator import Simulator
from . import _refusals
from ._comm_stream import CommStream
from ._exchange import Exchange, Shape
from ._format import Format
from ._members import Members
from ._place import Place
from ._settings import Settings
from .handle import Handle

#: Seconds between two polls for failures of earlier calls.
_POLL_SECONDS = 0.1

Hook = Callable[[], None]
Rows = Union[torch.Tensor, tuple[torch.Tensor, torch.Tensor]]


class Core:
    """State of a buffer. Calls read attributes of it alone, since look-ups are most of their cost in Python."""

    def __init__(self, group: Any, comm: Any, settings: Settings, enable_shrink: bool) -> None:
        """Joins the ranks. Collective."""
        self._closed = True
        self.enable_shrink = enable_shrink
        self._settings = settings
        self._members = Members(group, comm)
        self.rank = self._members.rank
        self.group_size = self._members.count
        self._device = devices.default()
        self._library = _library.load()
        self._index = self._device.index
        self._torch_device = self._device.torch_device
        self._simulated = self._device.simulated
        self._current_stream = self._device.current_stream
        self._address = self._device.address
        self._lock = self._device.lock
        self._comm = CommStream(self._device)
        # On the simulator a send that waits for signals must not be in the way of their producer.
        self._beside = self._device.new_stream() if isinstance(self._device, Simulator) else 0
        self._exchanges: dict[Any, Exchange] = {}
        # By the address of a place's layout_range, for handles that are copies.
        self._places: dict[int, tuple[Exchange, Place]] = {}
        # Marks exchanges as this buffer's own; a reference to the buffer would be a cycle.
        self._token = object()
        # Ranks masked by hand, for exchanges yet to be made.
        self._masked: set[int] = set()
        self._next_poll = 0.0
        self._group = self._members.join(self._device, settings.timeout)
        self._closed = False

    def _open(self, key: tuple[Any, ...]) -> Exchange:
        """Makes the exchange for a new shape. Collective."""
        max_tokens, experts, hidden, top_k, *switches = key
        shape = Shape(int(max_tokens), int(experts), hidden, top_k, Format(*(bool(switch) for switch in switches)))
        shape.check(self.group_size)
        if self._device.capturing():
            raise _refusals.capturing(shape)
        exchange = Exchange(
            self._device, self._group, self.rank, self.group_size, shape, self._settings, self.enable_shrink
        )
        exchange.owner = self._token
        try:
            for rank in self._masked:
                _library.call("swiftep_buffer_mask", exchange.number, rank, 1)
        except BaseException:
            exchange.free()
            raise
        for place in exchange.places:
            self._places[place.layout_range.data_ptr()] = (exchange, place)
        self._exchanges[key] = exchange
        return exchange

    def _find(self, handle: Any) -> tuple[Exchange, Place, int]:
        """The exchange, place and turn of a handle, or of a copy of one. Raises ``OutOfOrder`` if they have been
        overwritten."""
        if type(handle) is Handle:
            exchange, turn = handle.exchange, handle.turn
            if exchange.owner is not self._token:
                raise _refusals.foreign_handle()
            place = exchange.places[turn & 1]
            if handle.resets != exchange.resets:
                raise _refusals.stale(turn, -1)
            if place.turn != turn:
                raise _refusals.stale(turn, place.turn)
            return exchange, place, turn
        try:
            found = self._places.get(handle[1].data_ptr())
        except (TypeError, IndexError, KeyError, AttributeError):
            found = None
        if found is None or found[1].turn < 0:
            raise _refusals.unknown_handle(handle)
        return found[0], found[1], found[1].turn

    def _statistics(self, name: str, tensor: Any, dtype: torch.dtype, count: int) -> int:
        wrong = _refusals.tensor(name, tensor, dtype, (count,), self._torch_device, align=dtype.itemsize)
        if wrong is not None:
            raise wrong
        return 0 if self._simulated else tensor.data_ptr()

    def _lend(self, *tensors: Optional[torch.Tensor]) -> list[int]:
        """Addresses of a receive's tensors, 0 for None. The simulator may be unable to use some memory: checked before
        the send, nothing is refused after it."""
        return [0 if tensor is None else self._address(tensor) for tensor in tensors]

    def _poll(self, exchange: Exchange) -> None:
        """Raises the error of an earlier call, if it is known yet."""
        self._next_poll = monotonic() + _POLL_SECONDS
        # A poll copies from the device, which a capture does not allow.
        if self._device.capturing():
            return
        code = self._library.swiftep_buffer_poll(exchange.number)
        if code:
            fail(code)
