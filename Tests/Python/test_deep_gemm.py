"""``swiftep.deep_gemm`` against PyTorch in float64, with and without signals."""

from __future__ import annotations

import gc
import struct
import types

import pytest

torch = pytest.importorskip("torch", reason="needs PyTorch")

import swiftep  # noqa: E402
from swiftep import deep_gemm  # noqa: E402
from swiftep.deep_gemm.utils.math import calc_diff, per_block_cast_to_fp8, per_token_cast_to_fp8  # noqa: E402

pytestmark = pytest.mark.torch

DEVICES = ["simulator", pytest.param("cuda", marks=pytest.mark.gpu)]


class Problem:
    """Operands of a GEMM, and the products of what FP8 left of them."""

    def __init__(self, groups, m, n, k, counts, device, seed=0):
        torch.manual_seed(seed)
        self.device = torch.device("cpu" if device == "simulator" else "cuda:0")
        self.groups, self.m, self.n, self.k = groups, m, n, k
        rows = torch.randn((groups, m, k), dtype=torch.float32)
        weight = torch.randn((groups, n, k), dtype=torch.float32)
        values, scales = per_token_cast_to_fp8(rows.view(-1, k))
        a, sfa = values.view(groups, m, k), scales.view(groups, m, k // 128)
        b, sfb = per_block_cast_to_fp8(weight)
        left = a.double() * sfa.double().repeat_interleave(128, dim=2)
        right = b.double() * sfb.double().repeat_interleave(128, dim=1).repeat_interleave(128, dim=2)
        self.expected = left @ right.transpose(1, 2)
        self.counts = counts
        self.masked_m = torch.tensor(counts, dtype=torch.int32, device=self.device)
        self.a, self.sfa, self.b, self.sfb = (tensor.to(self.device) for tensor in (a, sfa, b, sfb))

    def output(self):
        return torch.full((self.groups, self.m, self.n), 7, dtype=torch.bfloat16, device=self.device)

    def check(self, d):
        for group, count in enumerate(self.counts):
            difference = calc_diff(d[group, :count].cpu(), self.expected[group, :count])
            assert difference < 0.001, f"group {group}, {count} rows: differs by {difference}"


def run(problem, **arguments):
    d = problem.output()
    scales = deep_gemm.get_mn_major_tma_aligned_tensor(problem.sfa)
    result = deep_gemm.m_grouped_fp8_gemm_nt_masked(
        (problem.a, scales), (problem.b, problem.sfb), d, problem.masked_m, **arguments
    )
    problem.check(d)
    return d, result


@pytest.fixture(autouse=True)
def nothing_left():
    yield
    deep_gemm.clear()


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("expected_m", [1, 16, 40, 200])
def test_product(device, expected_m):
    problem = Problem(3, 96, 256, 256, [0, 5, 70], device)
    _, result = run(problem, expected_m=expected_m)
    assert result == (None, None)


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("counts", [[0, 1, 64], [65, 128, 17], [0, 0, 0]])
def test_signals(device, counts):
    problem = Problem(3, 128, 256, 256, counts, device)
    signal = torch.zeros(3 * 2, dtype=torch.int32, device=problem.device)
    overlapped, (block_m, threshold) = run(problem, expected_m=32, enable_overlap=True, signal=signal)
    assert block_m == 64 and threshold >= 1
    for group, count in enumerate(counts):
        blocks = signal.view(3, 2)[group].tolist()
        wanted = [threshold if block * block_m < count else 0 for block in range(2)]
        assert blocks == wanted, f"group {group}, {count} rows: signals {blocks}, wanted {wanted}"
    plain, _ = run(problem, expected_m=64)
    for group, count in enumerate(counts):
        assert torch.equal(overlapped[group, :count], plain[group, :count]), "signals change bits"


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("m", [30, 32])
def test_scales_of_any_strides_and_rows_of_any_number(device, m):
    problem = Problem(2, m, 128, 256, [30, 7], device)
    bits, _ = run(problem, expected_m=16)
    # Columns of 32 rows are read where they are, others are copied.
    columns = problem.sfa.transpose(1, 2).contiguous().transpose(1, 2)
    assert deep_gemm.utils.layout.rows_of_columns(columns) == (32 if m == 32 else 0)
    for scales in (problem.sfa, columns):
        d = problem.output()
        deep_gemm.fp8_m_grouped_gemm_nt_masked((problem.a, scales), (problem.b, problem.sfb), d, problem.masked_m, 16)
        for group, count in enumerate(problem.counts):
            assert torch.equal(d[group, :count], bits[group, :count])


@pytest.mark.parametrize("device", DEVICES)
def test_scales_as_exponents(device):
    problem = Problem(2, 16, 128, 512, [16, 3], device)
    exponents = torch.randint(118, 130, (2, 16, 4), dtype=torch.uint8)
    scales = (exponents.int() << 23).view(torch.float32)
    words = exponents.contiguous().view(torch.int32).view(2, 16, 1).to(problem.device)
    results = []
    # The last one has a column of one word, as a dispatch with 512 channels returns it.
    column = torch.zeros((2, 1, 128), dtype=torch.int32, device=problem.device)
    column[:, 0, :16] = words[:, :, 0]
    for given in (scales.to(problem.device), words, column.transpose(1, 2)[:, :16]):
        d = problem.output()
        deep_gemm.m_grouped_fp8_gemm_nt_masked((problem.a, given), (problem.b, problem.sfb), d, problem.masked_m, 16)
        results.append(d)
    for group, count in enumerate(problem.counts):
        for other in results[1:]:
            assert torch.equal(results[0][group, :count], other[group, :count])


@pytest.mark.parametrize("device", DEVICES)
def test_weights_are_packed_once_and_freed_with_the_tensor(device):
    from swiftep.deep_gemm import weights

    problem = Problem(2, 16, 128, 128, [16, 3], device)
    before = deep_gemm.packing_seconds()
    run(problem, expected_m=16)
    once = deep_gemm.packing_seconds()
    assert once > before
    run(problem, expected_m=16)
    assert deep_gemm.packing_seconds() == once, "packed again"
    assert len(weights._cache) == 1
    # What PyTorch counts as a write makes the packed form one of other weights.
    problem.b.copy_(problem.b.clone())
    run(problem, expected_m=16)
    assert deep_gemm.packing_seconds() > once and len(weights._cache) == 1
    (packed,) = weights._cache.values()
    problem.b = None
    gc.collect()
    assert not weights._cache and packed.number == 0


def first_product(weight, scales):
    """The first of the sums of 128 products of ones and a weight of ones, times a scale."""
    a, d = torch.ones((1, 16, 128)).to(torch.float8_e4m3fn), torch.zeros((1, 16, 128), dtype=torch.bfloat16)
    count = torch.tensor([1], dtype=torch.int32)
    deep_gemm.m_grouped_fp8_gemm_nt_masked((a, torch.ones((1, 16, 1))), (weight, scales), d, count, 1)
    return d[0, 0, 0].item() / 128


def test_other_scales_at_the_same_address():
    from swiftep.deep_gemm import weights

    weight, memory = torch.ones((1, 128, 128)).to(torch.float8_e4m3fn), bytearray(64)
    for value in (1.0, 2.0, 3.0):
        scales = torch.frombuffer(memory, dtype=torch.float32)[:1].view(1, 1, 1)
        # In place of a write that PyTorch would count.
        memory[:4] = struct.pack("f", value)
        assert first_product(weight, scales) == value
        del scales
        gc.collect()
        assert not weights._cache


def test_writes_that_are_not_counted_need_clear_or_pack():
    weight, scales = torch.ones((1, 128, 128)).to(torch.float8_e4m3fn), torch.ones((1, 1, 1))
    with torch.inference_mode():
        other = weight.clone()
    assert first_product(weight, scales) == first_product(other, scales) == 1
    weight.data.copy_(torch.full((1, 128, 128), 2.0))
    with torch.inference_mode():
        other.copy_(torch.full((1, 128, 128), 2.0))
    deep_gemm.pack(weight, scales)
    assert first_product(weight, scales) == 2
    deep_gemm.clear()
    assert first_product(other, scales) == 2


def test_weights_in_place_with_other_scales():
    weight, scales = torch.ones((1, 128, 128)).to(torch.float8_e4m3fn), torch.ones((1, 1, 1))
    deep_gemm.pack(weight, scales).in_place = True
    with pytest.raises(swiftep.OutOfOrder, match="other scales"):
        first_product(weight, scales.clone())


def test_weights_that_go_between_an_address_and_its_use():
    from swiftep._torch import devices
    from swiftep.deep_gemm import weights

    weight, scales = torch.ones((1, 128, 128)).to(torch.float8_e4m3fn), torch.ones((1, 1, 1))
    packed, device = deep_gemm.pack(weight, scales), devices.of(scales)
    with device.lock:
        lent = torch.ones(4)
        device.address(lent)
        del weight
        gc.collect()
        assert device._lent and packed.number, "the loan has been taken back"
    device.settle()
    weights._free_orphans()
    assert packed.number == 0


@pytest.mark.parametrize("device", DEVICES)
def test_packed_weights_are_an_operand(device):
    problem = Problem(2, 16, 128, 128, [16, 3], device)
    packed = deep_gemm.pack(problem.b, problem.sfb)
    assert packed.seconds > 0 and packed.shape == (2, 128, 128)
    d = problem.output()
    deep_gemm.m_grouped_fp8_gemm_nt_masked((problem.a, problem.sfa), packed, d, problem.masked_m, 16)
    problem.check(d)
    deep_gemm.clear()
    with pytest.raises(swiftep.Error):
        deep_gemm.m_grouped_fp8_gemm_nt_masked((problem.a, problem.sfa), packed, d, problem.masked_m, 16)


@pytest.mark.gpu
def test_weights_packed_in_place():
    problem = Problem(2, 16, 256, 128, [16, 3], "cuda")
    deep_gemm.pack(problem.b, problem.sfb, in_place=True)
    run(problem, expected_m=16)
    deep_gemm.check()
    problem.b.copy_(problem.b.clone())
    with pytest.raises(swiftep.OutOfOrder, match="written to"):
        run(problem, expected_m=16)


@pytest.mark.gpu
def test_in_a_graph():
    problem = Problem(2, 128, 256, 256, [100, 3], "cuda")
    d, _ = run(problem, expected_m=64)
    again = problem.output()
    scales = deep_gemm.get_mn_major_tma_aligned_tensor(problem.sfa)
    graph, stream = torch.cuda.CUDAGraph(), torch.cuda.Stream()
    arguments = ((problem.a, scales), (problem.b, problem.sfb), again, problem.masked_m, 64)
    with torch.cuda.stream(stream):
        deep_gemm.m_grouped_fp8_gemm_nt_masked(*arguments)
    torch.cuda.synchronize()
    again.fill_(7)
    with torch.cuda.graph(graph, stream=stream):
        deep_gemm.m_grouped_fp8_gemm_nt_masked(*arguments)
    graph.replay()
    torch.cuda.synchronize()
    for group, count in enumerate(problem.counts):
        assert torch.equal(d[group, :count], again[group, :count])


def refused(problem, match, **changes):
    operands = {
        "a": problem.a,
        "sfa": problem.sfa,
        "b": problem.b,
        "sfb": problem.sfb,
        "d": problem.output(),
        "masked_m": problem.masked_m,
        "expected_m": 16,
    }
    arguments = {key: changes.pop(key) for key in list(changes) if key not in operands}
    operands.update(changes)
    with pytest.raises(swiftep.Error, match=match):
        deep_gemm.m_grouped_fp8_gemm_nt_masked(
            (operands["a"], operands["sfa"]),
            (operands["b"], operands["sfb"]),
            operands["d"],
            operands["masked_m"],
            operands["expected_m"],
            **arguments,
        )


def test_what_is_refused():
    problem = Problem(2, 16, 128, 128, [16, 3], "simulator")
    refused(problem, r"a\[0\]", a=problem.a.to(torch.float32))
    refused(problem, r"a\[0\]", a=problem.a[:1])
    refused(problem, r"a\[1\]", sfa=problem.sfa[:, :8])
    refused(problem, r"the weight \(b\[0\]\)", b=problem.b.to(torch.float32))
    refused(problem, r"scales \(b\[1\]\)", sfb=problem.sfb.to(torch.float64))
    refused(problem, "d is", d=problem.output().float())
    refused(problem, "d is", d=problem.output()[:, :8])
    refused(problem, "masked_m", masked_m=problem.masked_m.long())
    refused(problem, "expected_m", expected_m=0)
    refused(problem, "recipe", recipe=(1, 1, 128))
    refused(problem, "signal is None", enable_overlap=True)
    refused(problem, "signal", enable_overlap=True, signal=torch.zeros(1, dtype=torch.int32))


def test_multiprocessors():
    from swiftep.deep_gemm import multiprocessors

    every = deep_gemm.get_num_sms()
    try:
        deep_gemm.set_num_sms(1)
        assert deep_gemm.get_num_sms() == 1
        run(Problem(2, 16, 128, 128, [16, 3], "simulator"), expected_m=16)
        with pytest.raises(swiftep.InvalidArgument, match="num_sms"):
            deep_gemm.set_num_sms(every + 1)
    finally:
        multiprocessors._count = 0


def test_one_function_of_an_original_is_replaced():
    from swiftep.deep_gemm import multiprocessors
    from swiftep.deep_gemm._install import wrap

    calls = []
    original = types.SimpleNamespace(
        m_grouped_fp8_fp4_gemm_nt_masked=lambda *arguments, **named: calls.append(arguments) or "original",
        fp8_gemm_nt=lambda: "untouched",
        get_num_sms=lambda: 0,
    )
    before = original.fp8_gemm_nt
    try:
        wrap(original)
        assert original.fp8_gemm_nt is before and not hasattr(original, "fp8_m_grouped_gemm_nt_masked")
        problem = Problem(2, 16, 128, 128, [16, 3], "simulator")
        d = problem.output()
        arguments = ((problem.a, problem.sfa), (problem.b, problem.sfb), d, problem.masked_m, 16)
        assert original.m_grouped_fp8_fp4_gemm_nt_masked(*arguments) == (None, None)
        problem.check(d)
        fp4 = (problem.b.view(torch.int8), problem.sfb)
        assert original.m_grouped_fp8_fp4_gemm_nt_masked(arguments[0], fp4, d, problem.masked_m, 16) == "original"
        assert len(calls) == 1
    finally:
        multiprocessors._source = None
