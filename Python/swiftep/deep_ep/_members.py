"""How ranks of a buffer find each other: by the engine's own process group, once."""

from __future__ import annotations

import ctypes
import os
from typing import Any, Callable, Optional

from .. import _library
from .._errors import TransportError
from .._structures import IDENTITY_BYTES, GroupInfo
from .._torch.devices import Device
from .._torch.errors import invalid


class Members:
    """The ranks: one for each process of a ``torch.distributed`` group, or of an ``mpi4py`` communicator."""

    def __init__(self, group: Any, comm: Any) -> None:
        gather: Callable[[Any], list[Any]]
        if group is not None:
            import torch.distributed as dist

            self.rank, self.count = group.rank(), group.size()

            def gather(value: Any) -> list[Any]:
                values = [None] * self.count
                dist.all_gather_object(values, value, group)
                return values

        elif comm is not None:
            self.rank, self.count = comm.Get_rank(), comm.Get_size()
            gather = comm.allgather
        else:
            raise invalid("group", None, "a torch.distributed process group, or comm=, an mpi4py communicator")
        self.gather = gather

    def join(self, device: Device, seconds: float) -> int:
        """A group of the library with a rank in each process. Collective."""
        identity, problem = b"", ""
        if self.rank == 0:
            text = ctypes.create_string_buffer(IDENTITY_BYTES)
            try:
                _library.call("swiftep_group_identify", self.count, text, IDENTITY_BYTES)
                identity = text.value
            except Exception as wrong:  # The others must not wait for it in vain.
                problem = str(wrong)
        told = self.gather((identity, problem, _machine(), device.simulated))
        if told[0][1]:
            raise TransportError(f"rank 0 cannot begin a group: {told[0][1]}")
        for rank, (_, _, machine, simulated) in enumerate(told):
            if machine != told[0][2]:
                raise TransportError(f"ranks 0 and {rank} are on two machines; ranks of a Buffer must be on one")
            if simulated != told[0][3]:
                raise TransportError(
                    f"one of ranks 0 and {rank} uses the simulator and the other a GPU; set SWIFTEP_DEVICE alike"
                )
        number = ctypes.c_uint64()
        _library.call(
            "swiftep_group_join",
            device.number,
            told[0][0],
            self.rank,
            self.count,
            self.count,
            seconds,
            ctypes.byref(number),
        )
        return number.value


def ranks_on_device(group: int) -> int:
    """The number of ranks of the group that share this process's device."""
    info = GroupInfo()
    _library.call("swiftep_group_describe", group, ctypes.byref(info))
    return int(info.ranks_on_device)


def _machine() -> Optional[str]:
    override = os.environ.get("SWIFTEP_HOST_ID")
    if override:
        return override
    try:
        with open("/proc/sys/kernel/random/boot_id") as file:
            return file.read().strip()
    except OSError:
        return None
