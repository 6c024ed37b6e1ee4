"""The simulator: CPU tensors are lent to it while it runs, and data in its own memory are copied out."""

from __future__ import annotations

import ctypes
import threading
from typing import Any

import torch

from .. import _library
from .._structures import DeviceInfo


class Simulator:
    """The simulated device of this process, for CPU tensors.

    Work runs in ``settle``. Until then the storage of each tensor whose ``address`` was asked for is lent, and stays.
    Callers that ask for addresses hold ``lock`` until the work with them has been enqueued, as another thread may
    settle."""

    simulated = True
    index = -1

    def __init__(self) -> None:
        self.torch_device = torch.device("cpu")
        self.lock = threading.RLock()
        number = ctypes.c_uint64()
        _library.call("swiftep_device_open", b"simulator", ctypes.byref(number))
        self.number = number.value
        info = DeviceInfo()
        _library.call("swiftep_device_describe", self.number, ctypes.byref(info))
        self.multiprocessors = int(info.multiprocessors)
        self._stream = self.new_stream()
        # By first byte and length: the loan, its address and what keeps the memory.
        self._lent: dict[tuple[int, int], tuple[int, int, Any]] = {}
        self._kept: dict[tuple[int, int], tuple[int, int, Any]] = {}

    def new_stream(self) -> int:
        stream = ctypes.c_uint64()
        _library.call("swiftep_stream_create", self.number, ctypes.byref(stream))
        return stream.value

    def current_stream(self) -> int:
        return self._stream

    def capturing(self) -> bool:
        return False

    def can_free(self) -> bool:
        """Whether objects may be freed now, which runs the device: not where a tensor went while this thread was
        between an address and the work with it."""
        return not self.lock._is_owned()  # type: ignore[attr-defined]

    def address(self, tensor: torch.Tensor) -> int:
        """Lends the storage of a tensor until ``settle``."""
        return self._lend(tensor, self._lent)

    def keep(self, tensor: torch.Tensor) -> int:
        """Lends the storage of a tensor until the process ends."""
        return self._lend(tensor, self._kept)

    def _lend(self, tensor: torch.Tensor, loans: dict[tuple[int, int], tuple[int, int, Any]]) -> int:
        storage = tensor.untyped_storage()
        key = (storage.data_ptr(), storage.nbytes())
        if key[1] == 0:
            return 0
        with self.lock:
            loan = self._kept.get(key) or self._lent.get(key)
            if loan is None:
                memory, address = ctypes.c_uint64(), ctypes.c_uint64()
                _library.call(
                    "swiftep_memory_adopt_host",
                    self.number,
                    key[0],
                    key[1],
                    ctypes.byref(memory),
                    ctypes.byref(address),
                )
                loan = (memory.value, address.value, storage)
                loans[key] = loan
            return loan[1] + tensor.data_ptr() - key[0]

    def settle(self) -> None:
        """Runs the enqueued work, and takes back the storage that was lent for it."""
        with self.lock:
            try:
                _library.call("swiftep_device_synchronize", self.number)
            finally:
                loans, self._lent = self._lent, {}
                for memory, _, _ in loans.values():
                    _library.call("swiftep_memory_free", memory)

    synchronize = settle

    def view(self, address: int, shape: tuple[int, ...], dtype: torch.dtype) -> torch.Tensor:
        """A tensor that ``refresh`` copies the memory at ``address`` into."""
        return torch.zeros(shape, dtype=dtype, device="cpu")

    def refresh(self, tensor: torch.Tensor, address: int) -> None:
        """Copies the memory at ``address`` into a tensor of ``view``."""
        size = tensor.numel() * tensor.element_size()
        _library.call("swiftep_memory_read", self.number, address, tensor.data_ptr(), size)
