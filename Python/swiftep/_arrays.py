"""Arrays and tensors of callers, as addresses that kernels can use."""

from __future__ import annotations

import math
import sys
from typing import TYPE_CHECKING, Any, NamedTuple, Sequence, Union

from ._device_array import DeviceArray
from ._dtypes import DType, torch_dtype
from ._errors import InvalidArgument
from ._library import call

if TYPE_CHECKING:
    from ._device import Device

#: A NumPy array, a tensor of PyTorch, or a ``DeviceArray``.
Array = Any
#: A required size, or the name of a free one.
Size = Union[int, str]


class Operand(NamedTuple):
    """The address of an argument on the device, and its shape."""

    address: int
    shape: tuple[int, ...]


def operand(
    value: Array,
    name: str,
    dtype: DType,
    shape: Sequence[Size],
    device: Device,
    align: int = 16,
    writable: bool = False,
) -> Operand:
    """Checks an argument and finds its address. On the simulator, the memory is kept until the device has run.

    Raises ``InvalidArgument``, naming the argument, the given and the wanted value, and the remedy."""
    torch = sys.modules.get("torch")
    if torch is not None and isinstance(value, torch.Tensor):
        return _tensor(torch, value, name, dtype, shape, device, align, writable)
    if isinstance(value, DeviceArray):
        return _device_array(value, name, dtype, shape, device, align)
    numpy = sys.modules.get("numpy")
    if numpy is not None and isinstance(value, numpy.ndarray):
        return _ndarray(numpy, value, name, dtype, shape, device, align, writable)
    kinds = "a NumPy array, a CPU tensor" if device.is_simulator else "a CUDA tensor"
    raise InvalidArgument(
        f"{name} is a {type(value).__module__}.{type(value).__qualname__}; give {kinds} or a swiftep.DeviceArray of "
        f"{dtype.name} {_wanted(shape)}"
    )


def output(
    like: Array, out: Array | None, name: str, dtype: DType, shape: Sequence[int], device: Device
) -> tuple[Array, Operand]:
    """The array for a result, `out` or a new array of the kind of `like`, and its operand."""
    if out is not None:
        return out, operand(out, name, dtype, shape, device, writable=True)
    refused: list[Array] = []
    while True:
        out = _new(like, dtype, shape, device)
        try:
            return out, operand(out, name, dtype, shape, device, writable=True)
        except InvalidArgument:
            # The allocator may return memory of an array that has gone, which the simulator keeps until it has run.
            refused.append(out)
            if not device.is_simulator or len(refused) == _TRIES:
                raise


#: The most new arrays that are tried, all at different addresses.
_TRIES = 16


def _new(like: Array, dtype: DType, shape: Sequence[int], device: Device) -> Array:
    torch, numpy = sys.modules.get("torch"), sys.modules.get("numpy")
    if torch is not None and isinstance(like, torch.Tensor):
        return torch.empty(tuple(shape), dtype=torch_dtype(torch, dtype), device=like.device)
    if numpy is not None and isinstance(like, numpy.ndarray):
        carrier = like.dtype if like.dtype.name in dtype.numpy_names else dtype.numpy
        return aligned_empty(numpy, tuple(shape), carrier)
    return device.empty(tuple(shape), dtype.name)


def aligned_empty(numpy: Any, shape: tuple[int, ...], dtype: Any) -> Any:
    """An array that begins at a multiple of 256, as device memory does."""
    dtype = numpy.dtype(dtype)
    nbytes = math.prod(shape) * dtype.itemsize
    memory = numpy.empty(nbytes + 256, numpy.uint8)
    skip = -memory.__array_interface__["data"][0] % 256
    return memory[skip : skip + nbytes].view(dtype).reshape(shape)


# ---- Kinds of arrays


def _tensor(
    torch: Any,
    value: Any,
    name: str,
    dtype: DType,
    shape: Sequence[Size],
    device: Device,
    align: int,
    writable: bool,
) -> Operand:
    given = str(value.dtype).rpartition(".")[2]
    if given not in dtype.torch_names:
        raise InvalidArgument(f"{name} is torch.{given}; give {dtype.wanted()}")
    _check_place(value.device.type, value.device.index, name, device)
    if value.layout is not torch.strided or not value.is_contiguous():
        raise InvalidArgument(f"{name} is not contiguous; give {name}.contiguous()")
    if value.requires_grad and (writable or torch.is_grad_enabled()):
        raise InvalidArgument(f"{name} requires a gradient, which SwiftEP does not compute; give {name}.detach()")
    found = _check_shape(tuple(value.shape), name, shape)
    if value.numel() == 0:
        return Operand(device._placeholder(), found)
    address = value.data_ptr()
    if device.is_simulator:
        storage = value.untyped_storage()
        place = _Place(value, storage.data_ptr(), storage.nbytes(), address, value.nbytes)
        return Operand(_adopt(place, name, device, align, writable), found)
    if address % align:
        raise InvalidArgument(f"{name} is at {address:#x}; give one at a multiple of {align}, such as {name}.clone()")
    return Operand(address, found)


def _ndarray(
    numpy: Any,
    value: Any,
    name: str,
    dtype: DType,
    shape: Sequence[Size],
    device: Device,
    align: int,
    writable: bool,
) -> Operand:
    given = value.dtype.name
    if given not in dtype.numpy_names or not value.dtype.isnative:
        order = "" if value.dtype.isnative else " of the other byte order"
        raise InvalidArgument(f"{name} is NumPy {given}{order}; give {dtype.wanted()}")
    if not device.is_simulator:
        raise InvalidArgument(f"{name} is a NumPy array, and {device.spelling} is a GPU; give device.array({name}, …)")
    if not value.flags.c_contiguous:
        raise InvalidArgument(f"{name} is not contiguous; give numpy.ascontiguousarray({name})")
    if writable and not value.flags.writeable:
        raise InvalidArgument(f"{name} is read-only; give an array that can be written to")
    found = _check_shape(value.shape, name, shape)
    if value.size == 0:
        return Operand(device._placeholder(), found)
    owner = value
    while isinstance(owner.base, numpy.ndarray):
        owner = owner.base
    if not owner.flags.c_contiguous:
        # Its memory has holes; then only this view's part is adopted.
        owner = value
    address = value.__array_interface__["data"][0]
    place = _Place(owner, owner.__array_interface__["data"][0], owner.nbytes, address, value.nbytes)
    return Operand(_adopt(place, name, device, align, writable), found)


def _device_array(
    value: DeviceArray, name: str, dtype: DType, shape: Sequence[Size], device: Device, align: int
) -> Operand:
    if value._dtype is not dtype and value.dtype not in dtype.numpy_names:
        raise InvalidArgument(f"{name} is {value.dtype}; give {dtype.wanted()}")
    if value.device is not device:
        raise InvalidArgument(f"{name} is on {value.device!r}; give an array on {device!r}")
    found = _check_shape(value.shape, name, shape)
    address = value.address
    if address % align:
        raise InvalidArgument(f"{name} is at {address:#x}; give one at a multiple of {align}")
    device._keep(value)
    return Operand(address, found)


# ---- Checks


def _check_place(kind: str, index: int | None, name: str, device: Device) -> None:
    if device.is_simulator:
        if kind != "cpu":
            raise InvalidArgument(f"{name} is on {kind}, and the simulator uses memory of the host; give {name}.cpu()")
    elif kind != "cuda" or index != device.ordinal:
        place = kind if index is None else f"{kind}:{index}"
        raise InvalidArgument(f'{name} is on {place}; give {name}.to("cuda:{device.ordinal}")')


def _check_shape(given: tuple[int, ...], name: str, shape: Sequence[Size]) -> tuple[int, ...]:
    if len(given) != len(shape) or any(isinstance(w, int) and g != w for g, w in zip(given, shape)):
        raise InvalidArgument(f"{name} has shape {list(given)}; give {_wanted(shape)}")
    return given


def _wanted(shape: Sequence[Size]) -> str:
    return "[" + ", ".join(str(size) for size in shape) + "]"


# ---- Memory of the host


class _Place(NamedTuple):
    owner: Any
    owner_start: int
    owner_bytes: int
    start: int
    nbytes: int


def _adopt(place: _Place, name: str, device: Device, align: int, writable: bool) -> int:
    """The simulator's address of a place; of a copy in its own memory where the place cannot be adopted, since it is
    misaligned or overlaps memory that is adopted in another size."""
    first = place.owner_start + -place.owner_start % 16
    odd = place.start % align != 0 or place.start < first
    if not odd:
        try:
            address = device._adoptions.address(place.owner, first, place.owner_start + place.owner_bytes - first)
        except InvalidArgument:
            if writable:
                raise
        else:
            device._keep(place.owner)
            return address + place.start - first
    if writable:
        raise InvalidArgument(
            f"{name} is at {place.start:#x}; give an array at a multiple of {align}, or none, to get a new one"
        )
    copy = device.empty(place.nbytes, "uint8")
    call("swiftep_memory_write", device._number, copy.address, place.start, place.nbytes)
    device._keep(copy)
    return copy.address
