"""The ranks among which experts are spread: one alone, or the processes of a torch process group."""

from __future__ import annotations

import threading
from typing import Any

import torch

from .. import Device, Group
from .._errors import InvalidArgument
from ._settings import Settings


class Ranks:
    """A swiftep group and this process's place in it."""

    def __init__(self, group: Any, rank: int, count: int, process_group: Any) -> None:
        self.group = group
        self._rank = rank
        self._count = count
        self._process_group = process_group

    def local_experts(self, experts: int) -> slice:
        """The range of a module's experts that run here. A process alone runs all."""
        if experts % self._count != 0:
            raise InvalidArgument(f"{experts} experts cannot be spread evenly over {self._count} ranks")
        local = experts // self._count
        return slice(self._rank * local, (self._rank + 1) * local)

    def agreed_steps(self, steps: int) -> int:
        """The most steps that any rank needs: all ranks must take part in each. At least one, since other ranks may
        send tokens here. In a CUDA graph each rank has one, which all must have captured."""
        if self._count == 1 or (torch.cuda.is_available() and torch.cuda.is_current_stream_capturing()):
            return steps
        most = torch.tensor([max(steps, 1)], dtype=torch.int64)
        backend = torch.distributed.get_backend(self._process_group)
        if backend == "nccl":
            most = most.cuda()
        torch.distributed.all_reduce(most, torch.distributed.ReduceOp.MAX, group=self._process_group)
        return int(most.item())


_lock = threading.Lock()
_made: dict[tuple[Any, Any], Ranks] = {}


def ranks_for(device: torch.device, settings: Settings) -> Ranks:
    """The ranks for weights on a device, the same for all layers."""
    if device.type not in ("cpu", "cuda"):
        raise InvalidArgument(f"weights are on {device} and must be on a CUDA device, or on the CPU for the simulator")
    with _lock:
        key = (device, settings.group)
        if key not in _made:
            _made[key] = _make(device, settings)
        return _made[key]


def _make(device: torch.device, settings: Settings) -> Ranks:
    ours = Device("simulator" if device.type == "cpu" else f"cuda:{device.index or 0}")
    if settings.group is None:
        return Ranks(Group.local(1, device=ours), 0, 1, None)
    process_group = settings.group
    rank, count = torch.distributed.get_rank(process_group), torch.distributed.get_world_size(process_group)
    return Ranks(Group.from_torch(process_group, device=ours), rank, count, process_group)
