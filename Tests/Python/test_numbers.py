"""BF16, FP8 and blocks of 128 x 128 against tables that are made another way: exact fractions, and every number."""

from bisect import bisect_left
from fractions import Fraction

import numpy as np
import pytest
import swiftep

SEED = 20261

# Every finite FP8 E4M3 number of positive sign, by the words of its definition: 4 bits of exponent with a bias of 7,
# 3 bits of mantissa, no infinities, 0x7F is NaN.
TABLE = [
    Fraction(mantissa, 8) * Fraction(2) ** -6
    if exponent == 0
    else (1 + Fraction(mantissa, 8)) * Fraction(2) ** (exponent - 7)
    for exponent in range(16)
    for mantissa in range(8)
][:-1]


def nearest(value):
    """The code of the number nearest to a fraction, ties to the even code, beyond 448 it stays there."""
    magnitude = abs(value)
    high = bisect_left(TABLE, magnitude)
    if high == len(TABLE):
        code = len(TABLE) - 1
    elif high == 0:
        code = 0
    else:
        below, above = magnitude - TABLE[high - 1], TABLE[high] - magnitude
        code = high if above < below or (above == below and high % 2 == 0) else high - 1
    return code | (0x80 if value < 0 else 0)


def test_every_float8():
    numbers = swiftep.from_float8(np.arange(256, dtype=np.uint8))
    for code in range(256):
        if code & 0x7F == 0x7F:
            assert np.isnan(numbers[code])
        else:
            assert Fraction(float(numbers[code])) == TABLE[code & 0x7F] * (-1 if code & 0x80 else 1), code
    finite = [code for code in range(256) if code & 0x7F != 0x7F]
    assert swiftep.to_float8(numbers[finite]).tolist() == finite
    assert swiftep.to_float8([np.nan, np.inf, -np.inf, 1e30]).tolist() == [0x7F, 0x7E, 0xFE, 0x7E]


def test_rounding_to_float8():
    middles = [(a + b) / 2 for a, b in zip(TABLE, TABLE[1:])]
    values = [float(m) for m in middles]
    values += [float(np.nextafter(m, np.inf)) for m in values] + [float(np.nextafter(m, 0)) for m in values]
    print("seed", SEED)
    random = np.random.default_rng(SEED)
    values += (random.choice([-1, 1], 5000) * 2.0 ** random.uniform(-12, 10, 5000)).tolist()
    codes = swiftep.to_float8(values)
    for value, code in zip(values, codes):
        assert code == nearest(Fraction(value)), value


def test_bfloat16():
    every = np.arange(1 << 16, dtype=np.uint16)
    numbers = swiftep.from_bfloat16(every)
    finite = ~np.isnan(numbers)
    assert (swiftep.to_bfloat16(numbers)[finite] == every[finite]).all()
    assert np.isnan(swiftep.from_bfloat16(swiftep.to_bfloat16(numbers[~finite]))).all()
    # Between two neighbours the middle goes to the even one, and what is beside it to the nearer one.
    low = every[(every & 0x7FFF) < 0x7F7F]
    bits = low.astype(np.uint32) << 16
    for add, up in ((0x7FFF, 0), (0x8000, low & 1), (0x8001, 1)):
        between = (bits + np.uint32(add)).view(np.float32)
        assert (swiftep.to_bfloat16(between) == low + up).all(), hex(add)
    assert swiftep.to_bfloat16(1.0).shape == ()


def test_blocks_are_exact():
    print("seed", SEED)
    random = np.random.default_rng(SEED)
    array = (random.standard_normal((2, 256, 128)) * 2.0 ** random.integers(-20, 20, (2, 256, 1))).astype(np.float32)
    array[0, :128] = 0
    values, scales = swiftep.quantise_blocks(array)
    assert values.shape == array.shape and values.dtype == np.uint8
    assert scales.shape == (2, 2, 1) and scales.dtype == np.float32
    assert scales[0, 0, 0] == 1 and not values[0, :128].any()
    for expert, block in ((0, 1), (1, 0), (1, 1)):
        part = array[expert, 128 * block : 128 * block + 128]
        scale = scales[expert, block, 0]
        assert scale == np.abs(part).max() / np.float32(448)
        for row in range(0, 128, 9):
            for column in range(128):
                wanted = nearest(Fraction(float(part[row, column])) / Fraction(float(scale)))
                given = values[expert, 128 * block + row, column]
                # A number that rounds to zero keeps its sign, which a fraction of zero has not.
                same = given == wanted or given & 0x7F == wanted & 0x7F == 0
                assert same, (expert, block, row, column)
    spread = scales.repeat(128, axis=1).repeat(128, axis=2)
    assert (swiftep.dequantise_blocks(values, scales) == swiftep.from_float8(values) * spread).all()


@pytest.mark.parametrize(
    "array",
    [np.zeros((64, 128)), np.zeros(128), np.full((128, 128), np.nan), np.full((128, 128), np.inf), "text", None],
)
def test_blocks_refuse(array):
    with pytest.raises(swiftep.InvalidArgument):
        swiftep.quantise_blocks(array)


def test_tiny_blocks():
    values, scales = swiftep.quantise_blocks(np.full((128, 128), 1e-44, np.float32))
    assert np.isfinite(swiftep.dequantise_blocks(values, scales)).all() and scales[0, 0] >= 2.0**-126
    assert swiftep.quantise_blocks(np.zeros((0, 128, 128)))[1].shape == (0, 1, 1)
