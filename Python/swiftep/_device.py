"""A GPU, or the simulator."""

from __future__ import annotations

import contextlib
import ctypes
import threading
from typing import Any, Callable, Sequence

from . import _check
from . import _structures as c
from ._adoption import Adoptions
from ._device_array import DeviceArray
from ._dtypes import from_name
from ._errors import InvalidArgument
from ._handles import Core, Handle
from ._library import call
from ._prototypes import Body


class Device(Handle):
    """``"simulator"``, ``"cuda"`` (the first GPU) or ``"cuda:N"``.

    On a GPU it retains the primary context, in which PyTorch works as well. On the simulator nothing runs until
    ``synchronize``, and memory of NumPy arrays and CPU tensors is used in place.

    Raises ``InvalidArgument`` for another name and ``DeviceError`` if there is no such device."""

    def __init__(self, name: str = "simulator") -> None:
        _check.instance(name, "name", str, '"simulator", "cuda" or "cuda:N"')
        number = ctypes.c_uint64()
        call("swiftep_device_open", name.encode(), ctypes.byref(number))
        self._core = Core("device", number.value, _close_device, None)
        info = c.DeviceInfo()
        call("swiftep_device_describe", self._number, ctypes.byref(info))
        #: The name by which it was opened.
        self.spelling: str = name
        #: The name of the hardware, such as "NVIDIA H200".
        self.name: str = info.name.decode("utf-8", "replace")
        self.is_simulator: bool = info.kind == c.SIMULATOR
        self.multiprocessors: int = info.multiprocessors
        self.memory_bytes: int = info.memory_bytes
        self.l2_bytes: int = info.l2_bytes
        #: The GPU's number among those that the process sees; 0 for the simulator.
        self.ordinal: int = int(name.partition(":")[2] or 0)
        self._adoptions = Adoptions(self._core)
        # Held from the address of an operand until the work with it has been enqueued, and while the simulator runs:
        # ``synchronize`` releases only operands of work that has run. A GPU's arrays are kept by their users.
        self._lock: Any = threading.RLock() if self.is_simulator else contextlib.nullcontext()
        self._pending: list[Any] = []
        self._nothing: DeviceArray | None = None

    def synchronize(self) -> None:
        """Waits until everything enqueued on the device has completed. On the simulator this is where it runs.

        Raises ``WaitTimedOut`` where work waits for work that has not been enqueued, and ``DeviceError``."""
        with self._lock:
            try:
                call("swiftep_device_synchronize", self._number)
            finally:
                self._pending.clear()

    def stream(self) -> Stream:
        """A new stream."""
        return Stream(self)

    def empty(self, shape: Sequence[int] | int, dtype: str) -> DeviceArray:
        """New device memory with undefined content.

        dtype: "bfloat16", "float8_e4m3fn", "float32", "int32", "int64", "uint32" or "uint8".
        Raises ``InvalidArgument``, and ``DeviceError`` when there is no memory left."""
        return DeviceArray._allocate(self, shape, from_name(dtype))

    def zeros(self, shape: Sequence[int] | int, dtype: str) -> DeviceArray:
        """New device memory, all bits zero. As ``empty``."""
        array = self.empty(shape, dtype)
        array._fill_zero()
        return array

    def array(self, values: Any, dtype: str | None = None) -> DeviceArray:
        """A copy of a NumPy array in device memory. As ``empty``.

        dtype: The element type, where NumPy has none for it: a uint16 array may be "bfloat16", a uint8 array
        "float8_e4m3fn"."""
        return DeviceArray._copy(self, values, None if dtype is None else from_name(dtype))

    def capture(self, stream: Stream | int, body: Callable[[], None]) -> Graph:
        """Records the work that `body` enqueues on `stream` in this thread, instead of running it.

        The same calls must have been made once before. An exception of `body` is raised again, and nothing is
        recorded."""
        return Graph(self, stream, body)

    def _keep(self, *objects: Any) -> None:
        """Keeps objects that enqueued work uses on the simulator, until it has run."""
        if self.is_simulator:
            self._pending.extend(objects)

    def _placeholder(self) -> int:
        """An address for arrays without elements."""
        with self._lock:
            if self._nothing is None:
                self._nothing = self.empty(256, "uint8")
            return self._nothing.address

    def __repr__(self) -> str:
        return self._describe(f"{self.spelling!r}: {self.name}, {self.multiprocessors} multiprocessors")


class Stream(Handle):
    """A queue of work of a device, in the order in which it is enqueued."""

    def __init__(self, device: Device) -> None:
        number = ctypes.c_uint64()
        call("swiftep_stream_create", device._number, ctypes.byref(number))
        self.device = device
        self._core = Core("stream", number.value, _StreamFree(device._number), device._core)

    @property
    def handle(self) -> int:
        """The stream as a number: on a GPU a ``CUstream``."""
        return self._number

    def synchronize(self) -> None:
        """Waits until everything enqueued on the stream has completed."""
        call("swiftep_stream_synchronize", self.device._number, self._number)

    def __repr__(self) -> str:
        return self._describe(f"of {self.device!r}")


class Graph(Handle):
    """Work that was captured, to be run again and again. The arrays and buffers in it must stay."""

    def __init__(self, device: Device, stream: Stream | int, body: Callable[[], None]) -> None:
        raised: list[BaseException] = []

        def run(_: Any) -> int:
            try:
                body()
            except BaseException as wrong:  # Must not pass through the library.
                raised.append(wrong)
                return 1
            return 0

        self.device = device
        queue = stream_number(stream, device)
        number = ctypes.c_uint64()
        with device._lock:
            pending, device._pending = device._pending, []
            try:
                call("swiftep_graph_capture", device._number, queue, Body(run), None, ctypes.byref(number))
            except Exception:
                if raised:
                    raise raised[0] from None
                raise
            finally:
                #: Objects that the work uses, kept as long as the graph.
                self._used = device._pending
                device._pending = pending + device._pending
        self._core = Core("graph", number.value, _free_graph, device._core)

    def replay(self, stream: Stream | int) -> None:
        """[enqueues] Runs the graph in the order of `stream`."""
        with self.device._lock:
            call("swiftep_graph_replay", self._number, stream_number(stream, self.device))
            self.device._keep(self)

    def __repr__(self) -> str:
        return self._describe(f"of {self.device!r}")


def stream_number(stream: Any, device: Device) -> int:
    """The number of a ``Stream``, of a ``torch.cuda.Stream``, or itself. Raises ``InvalidArgument``."""
    if isinstance(stream, Stream):
        if stream.device is not device:
            raise InvalidArgument(f"stream is one of {stream.device!r}; give one of {device!r}")
        return stream._number
    handle = getattr(stream, "cuda_stream", stream)
    return _check.integer(handle, "stream", high=2**64 - 1)


class _StreamFree:
    """Streams are freed together with their device's number."""

    def __init__(self, device: int) -> None:
        self.device = device

    def __call__(self, number: int) -> None:
        call("swiftep_stream_free", self.device, number)


def _close_device(number: int) -> None:
    call("swiftep_device_close", number)


def _free_graph(number: int) -> None:
    call("swiftep_graph_free", number)
