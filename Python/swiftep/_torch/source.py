"""The tensors that an object was made from, to tell when it has to be made anew."""

from __future__ import annotations

import weakref
from typing import Any, Optional

import torch


class Source:
    """Tensors as they are now: their memory, and the number of writes to it that PyTorch has counted.

    PyTorch does not count writes through ``tensor.data`` or to tensors of inference mode; those are not seen."""

    def __init__(self, *tensors: Optional[torch.Tensor]) -> None:
        self._seen = [_Seen(tensor) for tensor in tensors if tensor is not None]

    def is_of(self, *tensors: Optional[torch.Tensor]) -> bool:
        """Whether these are the tensors, and have not been written to since."""
        given = [tensor for tensor in tensors if tensor is not None]
        return len(given) == len(self._seen) and all(self.matches(*given))

    def matches(self, *tensors: torch.Tensor) -> list[bool]:
        """The same for each tensor."""
        return [seen.matches(tensor) for seen, tensor in zip(self._seen, tensors)]


class _Seen:
    __slots__ = ("address", "storage", "version")

    def __init__(self, tensor: Any) -> None:
        # Another tensor's memory may come to lie at the same address.
        self.storage = weakref.ref(tensor.untyped_storage())
        self.address = tensor.data_ptr()
        self.version = version(tensor)

    def matches(self, tensor: Any) -> bool:
        return (
            tensor.data_ptr() == self.address
            and version(tensor) == self.version
            and self.storage() is tensor.untyped_storage()
        )


def version(tensor: torch.Tensor) -> int:
    """The number of writes to a tensor that PyTorch has counted; 0 for tensors of inference mode."""
    return 0 if tensor.is_inference() else tensor._version
