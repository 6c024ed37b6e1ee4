"""A GPU: addresses are those of PyTorch's tensors, streams PyTorch's current ones."""

from __future__ import annotations

import contextlib
import ctypes
from typing import Callable

import torch

from .. import _library
from .errors import Unsupported


def _stream_reader(index: int) -> Callable[[], int]:
    """A function that returns the current stream of GPU ``index`` as a number."""
    raw = getattr(torch._C, "_cuda_getCurrentRawStream", None)
    if raw is not None:
        return lambda: raw(index)
    return lambda: torch.cuda.current_stream(index).cuda_stream


class _Memory:
    """Memory of the library as the CUDA array interface has it."""

    def __init__(self, address: int, shape: tuple[int, ...], kind: str) -> None:
        self.__cuda_array_interface__ = {
            "shape": shape,
            "typestr": kind,
            "data": (address, False),
            "strides": None,
            "version": 2,
        }


# Types that the interface does not have are passed as integers of the same width.
_KINDS = {
    torch.float8_e4m3fn: ("|u1", True),
    torch.uint8: ("|u1", False),
    torch.bfloat16: ("<i2", True),
    torch.float32: ("<f4", False),
    torch.int32: ("<i4", False),
    torch.int64: ("<i8", False),
}


class GPU:
    """``cuda:index`` for PyTorch and the library, which share its primary context."""

    simulated = False

    #: The address of a tensor, for kernels. A method of every device; here nothing else is to be done.
    address = staticmethod(torch.Tensor.data_ptr)

    #: Addresses do not change, so threads have nothing to wait for.
    lock = contextlib.nullcontext()

    def __init__(self, index: int) -> None:
        # PyTorch makes the primary context first, with its own flags.
        torch.cuda.synchronize(index)
        self.index = index
        self.torch_device = torch.device("cuda", index)
        number = ctypes.c_uint64()
        _library.call("swiftep_device_open", f"cuda:{index}".encode(), ctypes.byref(number))
        self.number = number.value
        self.multiprocessors = torch.cuda.get_device_properties(index).multi_processor_count
        #: The current stream as a number.
        self.current_stream = _stream_reader(index)

    def capturing(self) -> bool:
        """Whether the current stream is being captured into a graph."""
        with torch.cuda.device(self.index):
            return torch.cuda.is_current_stream_capturing()

    def can_free(self) -> bool:
        """Whether objects may be freed now, which waits for the device: not during a capture."""
        return not self.capturing()

    def settle(self) -> None:
        """On the simulator, runs the enqueued work; a GPU runs by itself."""

    def synchronize(self) -> None:
        torch.cuda.synchronize(self.index)

    def view(self, address: int, shape: tuple[int, ...], dtype: torch.dtype) -> torch.Tensor:
        """A tensor that is memory of the library, as long as the library keeps it."""
        kind, other = _KINDS[dtype]
        tensor = torch.as_tensor(_Memory(address, shape, kind), device=self.torch_device)
        return tensor.view(dtype) if other else tensor

    def refresh(self, tensor: torch.Tensor, address: int) -> None:
        """On the simulator, copies the memory behind a view; on a GPU a view is that memory."""

    def keep(self, tensor: torch.Tensor) -> int:
        """The address of a tensor whose memory the library uses until the process ends."""
        if not tensor.is_cuda:
            raise Unsupported(f"memory on {tensor.device} cannot be used in place; move it to {self.torch_device}")
        return tensor.data_ptr()
