"""The grouped GEMM on the simulator against NumPy."""

import numpy as np
import pytest
import swiftep
from swiftep._reference import quantise_rows

SEED = 415


def operands(random, experts, max_rows, n, k, counts, scale_rows=None):
    rows = random.standard_normal((experts, max_rows, k)).astype(np.float32)
    codes, scales = quantise_rows(rows)
    scale_rows = scale_rows or -(-max_rows // 128) * 128
    row_scales = np.ones((experts, k // 128, scale_rows), np.float32)
    row_scales[:, :, :max_rows] = scales.transpose(0, 2, 1)
    weights = swiftep.quantise_blocks(random.standard_normal((experts, n, k)) * k**-0.5)
    return codes, row_scales, np.array(counts, np.int32), weights


def product(codes, row_scales, weights):
    """In Float64, whose errors are nothing beside BF16's."""
    max_rows = codes.shape[1]
    scales = row_scales[:, :, :max_rows].transpose(0, 2, 1).repeat(128, axis=-1)
    rows = swiftep.from_float8(codes).astype(np.float64) * scales
    return rows @ swiftep.dequantise_blocks(*weights).astype(np.float64).transpose(0, 2, 1)


@pytest.mark.parametrize("in_place", [False, True])
@pytest.mark.parametrize("block_m", [16, 64])
def test_store(block_m, in_place):
    print("seed", SEED)
    random = np.random.default_rng(SEED)
    codes, row_scales, counts, weights = operands(random, 2, 24, 256, 384, [5, 24])
    wanted = product(codes, row_scales, weights)
    with swiftep.Device() as device:
        own = [part.copy() for part in weights]
        packed = swiftep.PackedWeights(device, *own, in_place=in_place)
        gemm = swiftep.GroupedGEMM(packed, max_rows=24, block_m=block_m)
        out = np.full((2, 24, 256), 0x7FC1, np.uint16)
        assert gemm(codes, row_scales, counts, out) is out
        sums = swiftep.from_bfloat16(out)
        for expert, count in enumerate(counts):
            close = np.isclose(sums[expert, :count], wanted[expert, :count], rtol=2**-8, atol=1e-3)
            assert close.all(), (expert, np.argwhere(~close)[:1])
        again = gemm(codes, row_scales, counts)
        assert (again[0, :5] == out[0, :5]).all() and (again[1] == out[1]).all()


@pytest.mark.parametrize("scales", ["float32", "power_of_two"])
def test_swiglu(scales):
    print("seed", SEED + 1)
    random = np.random.default_rng(SEED + 1)
    codes, row_scales, counts, weights = operands(random, 2, 16, 512, 256, [16, 3])
    gate, up = np.split(product(codes, row_scales, weights), 2, axis=-1)
    wanted = gate / (1 + np.exp(-gate)) * up
    with swiftep.Device() as device:
        packed = swiftep.PackedWeights(device, *weights, gated=True)
        gemm = swiftep.GroupedGEMM(packed, max_rows=16, block_m=16, output="swiglu", scales=scales)
        out, out_scales = gemm(codes, row_scales, counts)
        assert out.shape == (2, 16, 256) and out_scales.shape == (2, 2, 128)
        for expert, count in enumerate(counts):
            factors = out_scales[expert, :, :count].T
            if scales == "power_of_two":
                assert (np.frexp(factors)[0] == 0.5).all()
            given = swiftep.from_float8(out[expert, :count]) * factors.repeat(128, axis=-1)
            # Half a step of FP8 is 1/16 of a number, or of the smallest normal one.
            slack = np.maximum(np.abs(wanted[expert, :count]) / 15, factors.repeat(128, axis=-1) * 2**-9)
            assert (np.abs(given - wanted[expert, :count]) <= slack).all(), expert


def test_signals():
    print("seed", SEED + 2)
    random = np.random.default_rng(SEED + 2)
    codes, row_scales, counts, weights = operands(random, 2, 48, 256, 128, [33, 0], scale_rows=52)
    with swiftep.Device() as device:
        packed = swiftep.PackedWeights(device, *weights)
        gemm = swiftep.GroupedGEMM(packed, max_rows=48, block_m=16, signals=True, scale_rows=52)
        signals = np.zeros((2, 3), np.uint32)
        gemm(codes, row_scales, counts, signals=signals)
        assert signals.tolist() == [[gemm.threshold] * 3, [0] * 3]
        with pytest.raises(swiftep.InvalidArgument, match="signals are missing"):
            gemm(codes, row_scales, counts)


def test_graphs():
    print("seed", SEED + 3)
    random = np.random.default_rng(SEED + 3)
    codes, row_scales, counts, weights = operands(random, 1, 16, 128, 128, [16])
    with swiftep.Device() as device:
        gemm = swiftep.GroupedGEMM(swiftep.PackedWeights(device, *weights), max_rows=16, block_m=16)
        stream = device.stream()
        out = np.zeros((1, 16, 128), np.uint16)
        gemm(codes, row_scales, counts, out, stream=stream)
        wanted = out.copy()
        graph = device.capture(stream, lambda: gemm.enqueue(codes, row_scales, counts, out, stream=stream))
        for _ in range(2):
            out[:] = 0
            graph.replay(stream)
            stream.synchronize()
            assert (out == wanted).all()
        with pytest.raises(ZeroDivisionError):
            device.capture(stream, lambda: 1 / 0)
        graph.replay(stream)
        device.synchronize()
