"""BF16 and FP8 E4M3 for NumPy, which has neither: BF16 numbers are uint16 arrays here, FP8 numbers uint8 arrays."""

from __future__ import annotations

from typing import Any

from ._device_array import _numpy
from ._errors import InvalidArgument

#: The largest FP8 E4M3 number.
LARGEST_FLOAT8 = 448.0
_NAN = 0x7F


def to_bfloat16(values: Any) -> Any:
    """Rounds numbers to the nearest BF16, ties to even; uint16 of the same shape. NaN stays NaN.

    values: Anything that NumPy takes for Float32; Float64 is rounded to Float32 first."""
    numpy = _numpy()
    single = numpy.ascontiguousarray(values, dtype=numpy.float32).reshape(numpy.shape(values))
    bits = single.view(numpy.uint32)
    rounded = (bits + numpy.uint32(0x7FFF) + ((bits >> numpy.uint32(16)) & numpy.uint32(1))) >> numpy.uint32(16)
    quiet = (bits >> numpy.uint32(16)) | numpy.uint32(0x40)
    return numpy.where(numpy.isnan(single), quiet, rounded).astype(numpy.uint16)


def from_bfloat16(bits: Any) -> Any:
    """The Float32 numbers of BF16 ones: uint16, or ``ml_dtypes.bfloat16``. Raises ``InvalidArgument``."""
    numpy = _numpy()
    bits = _bits(numpy, bits, "uint16", "bfloat16")
    return (bits.astype(numpy.uint32) << numpy.uint32(16)).view(numpy.float32)


def to_float8(values: Any) -> Any:
    """Rounds numbers to the nearest FP8 E4M3, ties to even; uint8 of the same shape. Magnitudes above 448, infinity
    too, become 448; NaN stays NaN."""
    numpy = _numpy()
    exact = numpy.asarray(values, dtype=numpy.float64)
    magnitude = numpy.minimum(numpy.abs(exact), LARGEST_FLOAT8)
    nan = numpy.isnan(exact)
    magnitude = numpy.where(nan, 0.0, magnitude)
    # Numbers from 2**e to 2**(e + 1) are 2**(e - 3) apart, and those below 2**-6 as far as those above it.
    exponent = numpy.where(magnitude < 2.0**-6, -6, numpy.frexp(magnitude)[1] - 1)
    steps = numpy.rint(numpy.ldexp(magnitude, 3 - exponent)).astype(numpy.int32)
    # Eight steps are the leading one; a sixteenth carries into the exponent.
    codes = ((exponent + 7) << 3) + steps - 8
    codes = numpy.where(nan, _NAN, codes)
    return (codes | (numpy.signbit(exact).astype(numpy.int32) << 7)).astype(numpy.uint8)


def from_float8(codes: Any) -> Any:
    """The Float32 numbers of FP8 E4M3 ones: uint8, or ``ml_dtypes.float8_e4m3fn``. Raises ``InvalidArgument``."""
    numpy = _numpy()
    codes = _bits(numpy, codes, "uint8", "float8_e4m3fn")
    every = numpy.arange(256)
    exponent, mantissa = (every >> 3) & 15, every & 7
    table = numpy.where(exponent == 0, mantissa * 2.0**-9, (8 + mantissa) * 2.0 ** (exponent - 10.0))
    table = numpy.where(every & 0x7F == _NAN, numpy.nan, table)
    table = numpy.where(every & 0x80, -table, table).astype(numpy.float32)
    return table[codes]


def _bits(numpy: Any, array: Any, carrier: str, name: str) -> Any:
    given = getattr(getattr(array, "dtype", None), "name", type(array).__name__)
    if not isinstance(array, (numpy.ndarray, numpy.generic)) or given not in (carrier, name):
        raise InvalidArgument(f"the array is {given}; give NumPy {carrier} or {name}")
    array = numpy.ascontiguousarray(array).reshape(array.shape)
    return array.view(carrier)
