"""Weights in the order in which kernels stream them: packed once, and freed with the tensor that they come from."""

from __future__ import annotations

import ctypes
import time
import weakref
from typing import Any, Optional

import torch

from .. import _library
from .._errors import OutOfOrder
from .._structures import STORE, GemmConfiguration, Matrix
from .._torch import devices
from .._torch.devices import Device
from .._torch.errors import Unsupported, describe, invalid
from .._torch.source import version


class Gemm:
    """A prepared GEMM."""

    __slots__ = ("number", "threshold")

    def __init__(self, number: int, threshold: int) -> None:
        self.number = number
        #: The value at which a signal is complete.
        self.threshold = threshold


class Packed:
    """Weights ``[experts, n, k]`` ready for GEMMs. ``pack`` makes them; a GEMM takes them as its ``b`` too."""

    def __init__(
        self, device: Device, number: int, shape: tuple[int, int, int], seconds: float, in_place: bool
    ) -> None:
        self.device = device
        self.number = number
        self.shape = shape
        #: Seconds that packing took.
        self.seconds = seconds
        self.in_place = in_place
        # Scales that are used in place.
        self.kept: Optional[tuple[torch.Tensor, ...]] = None
        self.version = (0, 0)
        self._gemms: dict[tuple[int, int, bool, int], Gemm] = {}

    def gemm(self, max_rows: int, block_m: int, signals: bool, scale_rows: int) -> Gemm:
        """The GEMM with these weights for slabs of ``max_rows`` rows and columns of ``scale_rows`` scales, made on
        first use."""
        key = (max_rows, block_m, signals, scale_rows)
        gemm = self._gemms.get(key)
        if gemm is None:
            if not self.number:
                raise OutOfOrder("these weights have been freed; pack them again")
            if self.device.capturing():
                raise _in_capture(f"the first GEMM with {max_rows} rows and block_m {block_m}")
            configuration = GemmConfiguration(
                max_rows=max_rows,
                block_m=block_m,
                output=STORE,
                signals=int(signals),
                scale_rows=scale_rows,
            )
            number, threshold = ctypes.c_uint64(), ctypes.c_uint32()
            _library.call("swiftep_gemm_create", self.number, ctypes.byref(configuration), ctypes.byref(number))
            _library.call("swiftep_gemm_threshold", number.value, ctypes.byref(threshold))
            gemm = self._gemms[key] = Gemm(number.value, threshold.value)
        return gemm

    def free(self) -> None:
        """Frees the weights and their GEMMs, when the device is done with them."""
        if self.number:
            self.device.synchronize()
            for gemm in self._gemms.values():
                _library.call("swiftep_gemm_free", gemm.number)
            _library.call("swiftep_weights_free", self.number)
            self._gemms.clear()
            self.number, self.kept = 0, None


_Key = tuple[int, torch.Size, int]
_cache: dict[_Key, Packed] = {}
# Weights whose tensors went while nothing could be freed.
_orphans: list[Packed] = []
_seconds = 0.0


def packing_seconds() -> float:
    """Seconds that this process has spent on packing."""
    return _seconds


def check() -> None:
    """Waits for all work of the devices, and raises the error of a GEMM."""
    for device in {packed.device for packed in _cache.values()}:
        device.synchronize()
        _library.call("swiftep_device_synchronize", device.number)


def clear() -> None:
    """Frees all packed weights of this process; GEMMs pack them again. Call it after loading weights in a way that
    PyTorch does not count: see ``pack``."""
    _orphans.extend(_cache.values())
    _cache.clear()
    _free_orphans()


def pack(weight: torch.Tensor, scales: torch.Tensor, in_place: bool = False) -> Packed:
    """Packs weights in the order in which kernels stream them, and caches them for GEMMs with these tensors until the
    memory of either goes.

    weight: float8_e4m3fn ``[experts, n, k]``, contiguous; n and k multiples of 128.
    scales: float32 ``[experts, n / 128, k / 128]``.
    in_place: reorder the tensor's own memory instead of copying it, for n that is a multiple of 256. Only these GEMMs
        can use it afterwards.

    Waits until it is done. GEMMs pack weights themselves, not in place, that have not been packed or have been written
    to since, as far as PyTorch counts writes. It does not count those through ``tensor.data``, nor those to tensors of
    inference mode: after loading weights in such a way, call ``clear()``, or this again, or GEMMs go on with the old
    weights."""
    global _seconds
    device = _check(weight, scales)
    if device.capturing():
        raise _in_capture("packing weights")
    if in_place and device.simulated:
        raise Unsupported("in_place=True needs a GPU; the simulator packs into memory of its own")
    _free_orphans()
    begin = time.perf_counter()
    experts, n, k = weight.shape
    plain = scales.contiguous()
    device.synchronize()
    number = ctypes.c_uint64()
    with device.lock:
        matrix = Matrix(
            experts=experts,
            n=n,
            k=k,
            values=device.address(weight),
            scales=device.address(plain),
            gated=0,
            in_place=int(in_place),
        )
        try:
            _library.call("swiftep_weights_pack", device.number, ctypes.byref(matrix), ctypes.byref(number))
        finally:
            device.settle()
    seconds = time.perf_counter() - begin
    _seconds += seconds
    packed = Packed(device, number.value, (experts, n, k), seconds, in_place)
    packed.version = _version(weight, scales)
    packed.kept = (plain, scales) if in_place else None
    key = (weight.data_ptr(), weight.shape, scales.data_ptr())
    before = _cache.pop(key, None)
    if before is not None:
        before.free()
    _cache[key] = packed
    # Another tensor may come to lie at the address of one of them. Scales of weights in place are kept.
    for tensor in (weight,) if in_place else (weight, scales):
        weakref.finalize(tensor.untyped_storage(), _forget, key, packed).atexit = False
    return packed


def find(weight: torch.Tensor, scales: torch.Tensor) -> Packed:
    """The packed form of weights, made now if these have not been packed, or have been written to since."""
    packed = _cache.get((weight.data_ptr(), weight.shape, scales.data_ptr()))
    if packed is None:
        address = weight.data_ptr()
        if any(key[0] == address and other.in_place for key, other in _cache.items()):
            raise OutOfOrder("weights packed in place are given with other scales; load them again, and pack them")
        return pack(weight, scales)
    if packed.version != _version(weight, scales):
        if packed.in_place:
            raise OutOfOrder("weights packed in place have been written to; call pack(..., in_place=True) again")
        return pack(weight, scales)
    return packed


def _forget(key: _Key, packed: Packed) -> None:
    if _cache.get(key) is packed:
        del _cache[key]
    if packed.number:
        _orphans.append(packed)
        if packed.device.can_free():
            _free_orphans()


def _free_orphans() -> None:
    while _orphans:
        _orphans.pop().free()


def _version(weight: torch.Tensor, scales: torch.Tensor) -> tuple[int, int]:
    """The numbers of writes to these that PyTorch has counted."""
    return version(weight), version(scales)


def _check(weight: Any, scales: Any) -> Device:
    wanted = "a contiguous float8_e4m3fn tensor [experts, n, k], n and k multiples of 128"
    if not isinstance(weight, torch.Tensor) or weight.dtype != torch.float8_e4m3fn or weight.dim() != 3:
        raise invalid("the weight (b[0])", describe(weight), wanted)
    experts, n, k = weight.shape
    if not weight.is_contiguous() or experts < 1 or n % 128 != 0 or k % 128 != 0 or n * k == 0:
        raise invalid("the weight (b[0])", describe(weight), wanted)
    shape = (experts, n // 128, k // 128)
    if not isinstance(scales, torch.Tensor) or scales.dtype != torch.float32 or scales.shape != shape:
        raise invalid("the weight's scales (b[1])", describe(scales), f"float32 {list(shape)}, blocks of 128 x 128")
    if scales.device != weight.device:
        raise invalid("the weight's scales (b[1])", describe(scales), f"on {weight.device}, as the weight")
    return devices.of(weight)


def _in_capture(what: str) -> OutOfOrder:
    return OutOfOrder(
        f"{what} cannot be done while a CUDA graph is captured; make the same call once before the capture, or call "
        f"swiftep.deep_gemm.pack(weight, scales) and the GEMM once"
    )
