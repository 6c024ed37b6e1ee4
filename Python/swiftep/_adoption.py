"""Memory of the host that a simulator uses in place."""

from __future__ import annotations

import collections
import ctypes
import threading
import weakref
from typing import Any

from ._handles import Core
from ._library import call


class Adoptions:
    """The memory that a device has adopted, by address, so that an array is adopted once however often it is used.

    An adoption ends when the last object that owns the memory goes. Objects may go in any thread, so they only leave a
    note, which the next use of the device reads."""

    def __init__(self, device: Core) -> None:
        self._device = device
        self._lock = threading.RLock()
        self._adopted: dict[tuple[int, int], _Adoption] = {}
        self._gone: collections.deque[tuple[tuple[int, int], int]] = collections.deque()

    def __len__(self) -> int:
        self.collect()
        return len(self._adopted)

    def address(self, owner: Any, start: int, nbytes: int) -> int:
        """The device's address of `nbytes` of memory at `start`, a multiple of 16, which `owner` keeps."""
        with self._lock:
            self.collect()
            key = (start, nbytes)
            found = self._adopted.get(key)
            if found is None:
                found = self._adopted[key] = _Adoption(self._device, start, nbytes)
            if id(owner) not in found.owners:
                found.owners[id(owner)] = weakref.finalize(owner, self._gone.append, (key, id(owner)))
                found.owners[id(owner)].atexit = False
            return found.address

    def collect(self) -> None:
        """Ends adoptions of memory whose owners have gone."""
        with self._lock:
            while self._gone:
                key, owner = self._gone.popleft()
                adoption = self._adopted[key]
                del adoption.owners[owner]
                if not adoption.owners:
                    del self._adopted[key]
                    adoption.core.close()


class _Adoption:
    def __init__(self, device: Core, start: int, nbytes: int) -> None:
        memory, address = ctypes.c_uint64(), ctypes.c_uint64()
        call(
            "swiftep_memory_adopt_host",
            device.number,
            ctypes.c_void_p(start),
            nbytes,
            ctypes.byref(memory),
            ctypes.byref(address),
        )
        self.core = Core("memory", memory.value, free_memory, device)
        self.address = address.value
        self.owners: dict[int, Any] = {}


def free_memory(number: int) -> None:
    call("swiftep_memory_free", number)
