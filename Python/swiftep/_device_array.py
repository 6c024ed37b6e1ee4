"""Arrays in memory of a device."""

from __future__ import annotations

import ctypes
import math
import sys
from typing import TYPE_CHECKING, Any, Sequence

from . import _check
from ._adoption import free_memory
from ._dtypes import ALL, DType, torch_dtype
from ._errors import InvalidArgument, OutOfOrder
from ._handles import Core
from ._library import call

if TYPE_CHECKING:
    from ._device import Device


class DeviceArray:
    """A contiguous array in memory of a device: one of ``Device.array``, or a view of a buffer's memory.

    A view is valid as long as the object whose memory it shows."""

    def __init__(self, device: Device, address: int, shape: tuple[int, ...], dtype: DType, owner: Core) -> None:
        self.device = device
        self.shape = shape
        self._dtype = dtype
        self._address = address
        self._owner = owner

    @classmethod
    def _allocate(cls, device: Device, shape: Sequence[int] | int, dtype: DType) -> DeviceArray:
        if isinstance(shape, (str, bytes)):
            raise InvalidArgument(f"shape is {shape!r}; give whole numbers")
        try:
            sizes: tuple[Any, ...] = tuple(shape)  # type: ignore[arg-type]
        except TypeError:
            sizes = (shape,)
        dims = tuple(_check.integer(size, "a size of shape", high=2**48) for size in sizes)
        nbytes = math.prod(dims) * dtype.itemsize
        if nbytes > 2**48:
            raise InvalidArgument(f"shape is {dims}, {nbytes:,} bytes; give one of 2**48 bytes at most")
        memory, address = ctypes.c_uint64(), ctypes.c_uint64()
        call("swiftep_memory_allocate", device._number, max(nbytes, 1), ctypes.byref(memory), ctypes.byref(address))
        core = Core("array", memory.value, free_memory, device._core)
        return cls(device, address.value, dims, dtype, core)

    @classmethod
    def _copy(cls, device: Device, values: Any, dtype: DType | None) -> DeviceArray:
        numpy = _numpy()
        if not isinstance(values, (numpy.ndarray, numpy.generic)):
            raise InvalidArgument(f"values are a {type(values).__name__}; give a NumPy array")
        given = numpy.ascontiguousarray(values).reshape(values.shape)
        found = [t for t in ALL.values() if given.dtype.name in t.numpy_names and (dtype is None or t is dtype)]
        exact = [t for t in found if t.name == given.dtype.name]
        if not found or (dtype is None and not exact):
            remedy = f"give {dtype.wanted()}" if dtype else f"convert it to one of {', '.join(ALL)}, or say dtype"
            raise InvalidArgument(f"values are {given.dtype.name}; {remedy}")
        array = cls._allocate(device, given.shape, (exact or found)[0])
        array.write(given)
        return array

    @property
    def dtype(self) -> str:
        """One of "bfloat16", "float8_e4m3fn", "float32", "int32", "int64", "uint32", "uint8"."""
        return self._dtype.name

    @property
    def address(self) -> int:
        """The address of its first byte on the device. Raises ``OutOfOrder`` when its memory has been freed."""
        self._owner.require_open()
        return self._address

    @property
    def nbytes(self) -> int:
        return math.prod(self.shape) * self._dtype.itemsize

    def numpy(self) -> Any:
        """A copy as a NumPy array, after waiting for all work of the device. BF16 comes as uint16, FP8 as uint8;
        ``swiftep.bfloat16`` has the conversions."""
        array = _numpy().empty(self.shape, self._dtype.numpy)
        address = self.address
        self.device.synchronize()
        if array.nbytes:
            call("swiftep_memory_read", self.device._number, address, array.ctypes.data, array.nbytes)
        return array

    def write(self, values: Any) -> None:
        """Overwrites the array with a NumPy array of the same shape and type, after waiting for all work of the
        device."""
        numpy = _numpy()
        if not isinstance(values, numpy.ndarray) or values.dtype.name not in self._dtype.numpy_names:
            given = values.dtype.name if isinstance(values, numpy.ndarray) else type(values).__name__
            raise InvalidArgument(f"values are {given}; give {self._dtype.wanted()}")
        if values.shape != self.shape:
            raise InvalidArgument(f"values have shape {values.shape}; give {self.shape}")
        address = self.address
        self.device.synchronize()
        values = numpy.ascontiguousarray(values)
        if values.nbytes:
            call("swiftep_memory_write", self.device._number, address, values.ctypes.data, values.nbytes)

    def torch(self) -> Any:
        """A CUDA tensor of the same memory, not a copy. Raises ``OutOfOrder`` on the simulator."""
        import torch

        tensor = torch.as_tensor(_Bytes(self), device=f"cuda:{self.device.ordinal}")
        return tensor.view(torch_dtype(torch, self._dtype)).reshape(self.shape)

    @property
    def __cuda_array_interface__(self) -> dict[str, Any]:
        if self.device.is_simulator:
            raise OutOfOrder("this array is on the simulator; take a copy with numpy()")
        kind = {"i": "<i", "u": "<u", "f": "<f"}[self._dtype.numpy[0]]
        return {
            "shape": self.shape,
            "typestr": "|u1" if self._dtype.itemsize == 1 else f"{kind}{self._dtype.itemsize}",
            "data": (self.address if self.nbytes else 0, False),
            "version": 3,
        }

    def close(self) -> None:
        """Frees its memory, if it has its own. Does nothing the second time."""
        if self._owner.kind == "array":
            self._owner.close()

    def _fill_zero(self) -> None:
        zeros = ctypes.create_string_buffer(max(self.nbytes, 1))
        call("swiftep_memory_write", self.device._number, self.address, ctypes.addressof(zeros), max(self.nbytes, 1))

    def __repr__(self) -> str:
        closed = "" if self._owner.is_open else ", closed"
        return f"<swiftep.DeviceArray {self.dtype} {list(self.shape)} on {self.device.spelling}{closed}>"


class _Bytes:
    """An array as bytes, which every version of PyTorch takes; it keeps the array."""

    def __init__(self, array: DeviceArray) -> None:
        self.array = array
        interface = dict(array.__cuda_array_interface__)
        interface.update(shape=(array.nbytes,), typestr="|u1")
        self.__cuda_array_interface__ = interface


def _numpy() -> Any:
    numpy = sys.modules.get("numpy")
    if numpy is None:
        try:
            import numpy
        except ImportError:
            raise OutOfOrder("NumPy is not installed, and this needs it; install it with pip") from None
    return numpy
