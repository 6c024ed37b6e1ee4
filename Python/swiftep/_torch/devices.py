"""The devices of tensors and of the process. One object for each, made on first use."""

from __future__ import annotations

import os
from typing import Union

import torch

from .errors import invalid
from .gpu import GPU
from .simulator import Simulator

Device = Union[GPU, Simulator]

#: ``simulator`` for CPU tensors on the simulator, ``cuda`` or ``cuda:N`` for a GPU; else a GPU if there is one.
ENVIRONMENT = "SWIFTEP_DEVICE"

_devices: dict[int, Device] = {}


def indexed(index: int) -> Device:
    """GPU ``index``, or the simulator for -1, as ``Tensor.get_device`` counts."""
    device = _devices.get(index)
    if device is None:
        device = _devices[index] = Simulator() if index < 0 else GPU(index)
    return device


def default() -> Device:
    """The device of this process: as ``SWIFTEP_DEVICE`` says, else PyTorch's current GPU, else the simulator."""
    name = os.environ.get(ENVIRONMENT, "")
    if name == "simulator":
        return indexed(-1)
    if name.startswith("cuda:"):
        return indexed(int(name[5:]))
    if name == "cuda" or (not name and torch.cuda.is_available()):
        return indexed(torch.cuda.current_device())
    if not name:
        return indexed(-1)
    raise invalid(f"the environment's {ENVIRONMENT}", repr(name), "simulator, cuda or cuda:N")


def of(tensor: torch.Tensor) -> Device:
    """The device that a tensor lies on."""
    return indexed(tensor.get_device())
