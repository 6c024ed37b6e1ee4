"""The masked grouped GEMM."""

from __future__ import annotations

import ctypes
from typing import Any, Mapping

from . import _check
from . import _structures as c
from ._arrays import Array, operand, output
from ._device import Device
from ._dtypes import BFLOAT16, FLOAT8, FLOAT32, INT32, UINT32
from ._errors import InvalidArgument
from ._handles import Core, Handle
from ._library import call
from ._streams import DefaultStream

OUTPUTS: Mapping[str, int] = {"store": c.STORE, "swiglu": c.SWIGLU}
SCALES: Mapping[str, int] = {"float32": c.SCALES_FLOAT32, "power_of_two": c.SCALES_POWER_OF_TWO}


class PackedWeights(Handle):
    """FP8 weights in the order in which kernels stream them. Packing waits until it is done.

    Args:
        values: FP8 E4M3 `[experts, n, k]`, at a multiple of 16; n and k are multiples of 128.
        scales: Float32 `[experts, n / 128, k / 128]`, one for each block of 128 x 128.
        gated: Whether n has gate above up, to be used with "swiglu".
        in_place: Whether values, and scales of gate and up, are packed in place, after which only these kernels can use
            them; for an n that is a multiple of 256. The arrays are kept.

    Raises ``InvalidArgument`` and ``DeviceError``."""

    def __init__(
        self, device: Device, values: Array, scales: Array, *, gated: bool = False, in_place: bool = False
    ) -> None:
        _check.instance(device, "device", Device, "a swiftep.Device")
        with device._lock:
            place = operand(values, "values", FLOAT8, ("experts", "n", "k"), device, writable=in_place is True)
            self.experts, self.n, self.k = place.shape
            if 0 in place.shape or self.n % 128 or self.k % 128:
                raise InvalidArgument(f"values have shape {list(place.shape)}; give n and k that are multiples of 128")
            blocks = (self.experts, self.n // 128, self.k // 128)
            matrix = c.Matrix(
                experts=self.experts,
                n=self.n,
                k=self.k,
                values=place.address,
                scales=operand(scales, "scales", FLOAT32, blocks, device, align=4, writable=in_place is True).address,
                gated=_check.flag(gated, "gated"),
                in_place=_check.flag(in_place, "in_place"),
            )
            number = ctypes.c_uint64()
            call("swiftep_weights_pack", device._number, ctypes.byref(matrix), ctypes.byref(number))
        self.device = device
        self.gated = gated
        self._used = (values, scales) if in_place else None
        self._core = Core("weights", number.value, _free_weights, device._core)

    def __repr__(self) -> str:
        return self._describe(f"of {self.experts} experts, [{self.n}, {self.k}]{', gated' if self.gated else ''}")


class GroupedGEMM(Handle):
    """`rows x weights^T` for the first `counts[e]` rows of each expert, which are read on the device.

    Args:
        max_rows: The most rows of each expert.
        block_m: Rows of a tile, and per signal: 16, 32, 64 or 128.
        output: "store" for BF16 sums; "swiglu" for silu(gate) * up, quantised per row and 128 channels.
        signals: Whether it raises signals; with "store" only.
        scales: Scales of quantised output, "float32" or "power_of_two".
        scale_rows: Rows of scale arrays: a multiple of 4, at least `max_rows` rounded up to a multiple of `block_m`;
            None for `max_rows` rounded up to a multiple of 128, as dispatch has them.

    Raises ``InvalidArgument`` and ``DeviceError``."""

    def __init__(
        self,
        weights: PackedWeights,
        *,
        max_rows: int,
        block_m: int = 64,
        output: str = "store",
        signals: bool = False,
        scales: str = "float32",
        scale_rows: int | None = None,
    ) -> None:
        _check.instance(weights, "weights", PackedWeights, "swiftep.PackedWeights")
        configuration = c.GemmConfiguration(
            max_rows=_check.integer(max_rows, "max_rows", 1),
            block_m=_check.integer(block_m, "block_m", 1),
            output=_check.choice(output, "output", OUTPUTS),
            signals=_check.flag(signals, "signals"),
            scales=_check.choice(scales, "scales", SCALES),
            scale_rows=0 if scale_rows is None else _check.integer(scale_rows, "scale_rows", 1),
        )
        number = ctypes.c_uint64()
        call("swiftep_gemm_create", weights._number, ctypes.byref(configuration), ctypes.byref(number))
        self.weights = weights
        self.device = weights.device
        self._core = Core("gemm", number.value, _free_gemm, weights._core)
        self._streams = DefaultStream(self.device, own=False)
        self.max_rows = max_rows
        self.block_m = block_m
        self.output = output
        self.raises_signals = signals
        #: Rows of a scale array.
        self.scale_rows: int = scale_rows or -(-max_rows // 128) * 128

    @property
    def threshold(self) -> int:
        """The value at which a signal is complete: the number of tiles across n."""
        threshold = ctypes.c_uint32()
        call("swiftep_gemm_threshold", self._number, ctypes.byref(threshold))
        return threshold.value

    def enqueue(
        self,
        rows: Array,
        row_scales: Array,
        counts: Array,
        out: Array | None = None,
        out_scales: Array | None = None,
        *,
        signals: Array | None = None,
        multiprocessors: int = 0,
        stream: Any = None,
    ) -> Any:
        """[enqueues] Runs the GEMM. The first call on a stream allocates memory.

        Args:
            rows: FP8 `[experts, max_rows, k]`, at a multiple of 16.
            row_scales: Float32 `[experts, k / 128, scale_rows]`; of row blocks with rows all scales are read.
            counts: Int32 `[experts]`.
            out: BF16 `[experts, max_rows, n]`, or FP8 `[experts, max_rows, n / 2]` with "swiglu"; None for a new one.
            out_scales: Float32 `[experts, n / 256, scale_rows]`, with "swiglu" only; None for a new one.
            signals: UInt32 `[experts, ceil(max_rows / block_m)]`, zero before; one add with release at GPU scope for
                each finished tile. Given exactly where the GEMM raises signals.
            multiprocessors: The number that it runs on; 0 for all.
            stream: A ``Stream``, a ``torch.cuda.Stream`` or its number; None for PyTorch's current stream, and on the
                simulator for one of the GEMM's own.

        Returns out, or (out, out_scales) with "swiglu"."""
        number, device, weights = self._number, self.device, self.weights
        experts, is_gated = weights.experts, self.output == "swiglu"
        with device._lock:
            values = operand(rows, "rows", FLOAT8, (experts, self.max_rows, weights.k), device)
            scales = operand(row_scales, "row_scales", FLOAT32, (experts, weights.k // 128, self.scale_rows), device)
            count = operand(counts, "counts", INT32, (experts,), device, align=4)
            if (signals is not None) != self.raises_signals:
                raise InvalidArgument(
                    "signals are missing, and the GEMM raises some; give UInt32 [experts, ceil(max_rows / block_m)]"
                    if signals is None
                    else "signals are given, and the GEMM raises none; make it with signals=True"
                )
            if out_scales is not None and not is_gated:
                raise InvalidArgument("out_scales are given, and BF16 sums have none; leave them out")
            raised = scaled = 0
            if signals is not None:
                blocks = (experts, -(-self.max_rows // self.block_m))
                raised = operand(signals, "signals", UINT32, blocks, device, align=4, writable=True).address
            shape = (experts, self.max_rows, weights.n // 2 if is_gated else weights.n)
            out, sums = output(rows, out, "out", FLOAT8 if is_gated else BFLOAT16, shape, device)
            if is_gated:
                groups = (experts, weights.n // 256, self.scale_rows)
                out_scales, place = output(row_scales, out_scales, "out_scales", FLOAT32, groups, device)
                scaled = place.address
            call(
                "swiftep_gemm_run",
                number,
                self._streams.number(stream),
                values.address,
                scales.address,
                count.address,
                sums.address,
                scaled,
                raised,
                _check.integer(multiprocessors, "multiprocessors"),
            )
        return (out, out_scales) if is_gated else out

    def __call__(
        self,
        rows: Array,
        row_scales: Array,
        counts: Array,
        out: Array | None = None,
        out_scales: Array | None = None,
        **options: Any,
    ) -> Any:
        """As ``enqueue``, and on the simulator runs the GEMM."""
        result = self.enqueue(rows, row_scales, counts, out, out_scales, **options)
        if self.device.is_simulator:
            self.device.synchronize()
        return result

    def close(self) -> None:
        """Frees the GEMM, which may not be running."""
        super().close()
        self._streams.close()

    def __repr__(self) -> str:
        return self._describe(f"{self.output} of {self.weights!r}, {self.max_rows} rows in blocks of {self.block_m}")


def _free_weights(number: int) -> None:
    call("swiftep_weights_free", number)


def _free_gemm(number: int) -> None:
    call("swiftep_gemm_free", number)
