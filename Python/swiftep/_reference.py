"""The layer in NumPy: Float32, with the roundings to FP8 and BF16 that the layer makes. Nothing of the library is used.

A sum in another order may round to the neighbouring BF16 and FP8 number, so results agree closely but not
bit for bit."""

from __future__ import annotations

from typing import Any, Callable, Sequence

from ._device_array import _numpy
from ._layer import LayerWeights, SharedExpert
from ._numbers import from_bfloat16, from_float8, to_bfloat16, to_float8
from ._quantise import dequantise_blocks

#: Bound of ‖output - reference‖ / ‖reference‖ where sums are exact except for Float32's rounding, as on the simulator.
TOLERANCE = 5e-3
#: The same on a GPU. Tensor cores sum FP8 products with fewer bits: of 7,168 products, 6.8 % of the sums in BF16 are
#: not the exact sum's BF16, in these GEMMs and in cuBLAS's alike; an activation then falls on the other side of an FP8
#: rounding.
GPU_TOLERANCE = 1.5e-2


def quantise_rows(rows: Any) -> tuple[Any, Any]:
    """FP8 rows `[..., channels]`, and a scale for each 128 channels, `[..., channels / 128]`: largest / 448, or 1."""
    numpy = _numpy()
    groups = rows.astype(numpy.float32).reshape(*rows.shape[:-1], -1, 128)
    largest = numpy.abs(groups).max(axis=-1)
    safe = numpy.where(largest == 0, numpy.float32(1), largest)
    inverse = numpy.float32(448) / safe
    codes = to_float8(groups * inverse[..., None])
    scales = numpy.where(largest == 0, numpy.float32(1), largest / numpy.float32(448))
    return codes.reshape(rows.shape), scales


def layer(
    x: Sequence[Any],
    topk_idx: Sequence[Any],
    topk_weights: Sequence[Any],
    weights: Sequence[LayerWeights],
    shared: SharedExpert | None = None,
    shared_weights: Sequence[Any] | None = None,
    *,
    swiglu_limit: float | None = None,
    swiglu_shared_limit: float | str | None = "same",
    swiglu_clamp: str = "gate",
    swiglu_alpha: float = 1.0,
    swiglu_offset: float = 0.0,
) -> list[Any]:
    """The layer's output for each rank, Float32 `[tokens, hidden]`, not rounded to BF16 at the end.

    x: BF16 as uint16; weights: for each rank; shared_weights: where the shared expert has a gate; the rest as for
    ``MoELayer``."""
    numpy = _numpy()
    local = len(weights[0].gate_up)
    shared_limit = swiglu_limit if swiglu_shared_limit == "same" else swiglu_shared_limit
    routed_swiglu, shared_swiglu = (
        _swiglu(limit, swiglu_clamp, swiglu_alpha, swiglu_offset) for limit in (swiglu_limit, shared_limit)
    )
    outputs = []
    for rank, (states, choices, factors) in enumerate(zip(x, topk_idx, topk_weights)):
        rows = _rounded(from_bfloat16(states))
        total = numpy.zeros(rows.shape, numpy.float32)
        for expert in range(local * len(weights)):
            tokens, slots = numpy.nonzero(choices == expert)
            if len(tokens):
                own = [part[expert % local] for part in weights[expert // local]]
                total[tokens] += factors[tokens, slots][:, None] * _expert(rows[tokens], routed_swiglu, *own)
        if shared is not None and len(rows):
            gates = 1 if shared_weights is None else shared_weights[rank][:, None]
            total += gates * _expert(rows, shared_swiglu, *shared)
        outputs.append(total)
    return outputs


def relative_error(outputs: Sequence[Any], references: Sequence[Any]) -> float:
    """‖output - reference‖ / ‖reference‖ over all ranks; outputs are BF16 as uint16."""
    numpy = _numpy()
    given = numpy.concatenate([from_bfloat16(output).ravel() for output in outputs]).astype(numpy.float64)
    wanted = numpy.concatenate([reference.ravel() for reference in references]).astype(numpy.float64)
    return float(numpy.linalg.norm(given - wanted) / numpy.linalg.norm(wanted))


def _swiglu(limit: Any, clamp: str, alpha: float, offset: float) -> Callable[[Any, Any], Any]:
    """The activation between an expert's projections, a function of gate and up."""
    numpy = _numpy()

    def compute(gate: Any, up: Any) -> Any:
        if limit is not None and clamp == "gate":
            gate = numpy.minimum(gate, numpy.float32(limit))
        silu = gate / (1 + numpy.exp(numpy.float32(-alpha) * gate))
        if limit is not None:
            silu = numpy.minimum(silu, numpy.float32(limit)) if clamp == "silu" else silu
            up = numpy.clip(up, numpy.float32(-limit), numpy.float32(limit))
        return silu * (up + numpy.float32(offset))

    return compute


def _expert(
    rows: Any, swiglu: Callable[[Any, Any], Any], gate_up: Any, gate_up_scales: Any, down: Any, down_scales: Any
) -> Any:
    numpy = _numpy()
    sums = from_bfloat16(to_bfloat16(rows @ dequantise_blocks(gate_up, gate_up_scales).T))
    gate, up = numpy.split(sums, 2, axis=-1)
    activation = _rounded(swiglu(gate, up))
    return from_bfloat16(to_bfloat16(activation @ dequantise_blocks(down, down_scales).T))


def _rounded(rows: Any) -> Any:
    """Rows rounded to FP8 with a scale for each 128 channels."""
    codes, scales = quantise_rows(rows)
    return from_float8(codes) * scales.repeat(128, axis=-1)
