"""FP8 weights with a scale for each block of 128 x 128."""

from __future__ import annotations

from typing import Any

from ._device_array import _numpy
from ._errors import InvalidArgument
from ._numbers import LARGEST_FLOAT8, from_float8, to_float8

BLOCK = 128


def quantise_blocks(array: Any) -> tuple[Any, Any]:
    """Quantises matrices to FP8 E4M3, with one scale for each block of 128 x 128.

    A block's scale is its largest magnitude / 448, at least 2**-126, or 1 if all are zero; a value is the FP8 number
    nearest to x / scale, ties to even.

    Args:
        array: Finite numbers `[..., rows, columns]`, both multiples of 128; used as Float32.

    Returns values, uint8 `[..., rows, columns]`, and scales, Float32 `[..., rows / 128, columns / 128]`.
    Raises ``InvalidArgument``."""
    numpy = _numpy()
    try:
        single = numpy.asarray(array).astype(numpy.float32)
    except (TypeError, ValueError):
        raise InvalidArgument(f"array is a {type(array).__name__}; give an array of numbers") from None
    if single.ndim < 2 or single.shape[-1] % BLOCK or single.shape[-2] % BLOCK:
        raise InvalidArgument(
            f"array has shape {list(single.shape)}; give [..., rows, columns], both multiples of {BLOCK}"
        )
    if not numpy.isfinite(single).all():
        raise InvalidArgument("array has values that are not finite; give finite ones")
    *outer, rows, columns = single.shape
    blocks = single.reshape(*outer, rows // BLOCK, BLOCK, columns // BLOCK, BLOCK)
    largest = numpy.abs(blocks).max(axis=(-3, -1), initial=0.0)
    smallest = numpy.finfo(numpy.float32).tiny
    scales = numpy.maximum(largest / numpy.float32(LARGEST_FLOAT8), smallest)
    scales = numpy.where(largest == 0, numpy.float32(1), scales).astype(numpy.float32)
    # In Float64 no quotient of two Float32 numbers rounds to a tie unless it is one.
    values = to_float8(blocks.astype(numpy.float64) / scales[..., :, None, :, None].astype(numpy.float64))
    return values.reshape(single.shape), scales


def dequantise_blocks(values: Any, scales: Any) -> Any:
    """The Float32 numbers that ``quantise_blocks`` stands for, values x scales. Raises ``InvalidArgument``."""
    numpy = _numpy()
    numbers = from_float8(values)
    *outer, rows, columns = numbers.shape if numbers.ndim >= 2 else (1, 1)
    if rows % BLOCK or columns % BLOCK or numpy.shape(scales) != (*outer, rows // BLOCK, columns // BLOCK):
        raise InvalidArgument(
            f"values have shape {list(numbers.shape)} and scales {list(numpy.shape(scales))}; give "
            f"[..., rows, columns] and [..., rows / {BLOCK}, columns / {BLOCK}]"
        )
    spread = numpy.asarray(scales, numpy.float32).repeat(BLOCK, axis=-2).repeat(BLOCK, axis=-1)
    return numbers * spread
