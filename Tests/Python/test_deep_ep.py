"""``swiftep.deep_ep`` on the simulator, in one and in two processes."""

from __future__ import annotations

import concurrent.futures
import os
import subprocess
import sys
from pathlib import Path

import pytest

torch = pytest.importorskip("torch", reason="needs PyTorch")

import swiftep  # noqa: E402
from overhead import Alone  # noqa: E402
from swiftep import deep_ep  # noqa: E402

pytestmark = pytest.mark.torch

HERE = Path(__file__).resolve().parent


@pytest.fixture
def buffer(monkeypatch):
    monkeypatch.setenv("SWIFTEP_DEVICE", "simulator")
    buffer = deep_ep.Buffer(None, 0, 0, True, comm=Alone(), enable_shrink=True)
    yield buffer
    buffer.destroy()


def tokens(count=3, hidden=128, experts=4, top_k=2):
    torch.manual_seed(count)
    x = torch.randn((count, hidden), dtype=torch.float32).to(torch.bfloat16)
    indices = torch.rand((count, experts)).topk(top_k).indices
    return x, indices, torch.rand((count, top_k), dtype=torch.float32)


def step(buffer, x, indices, weights, maximum=4, experts=4, **combine):
    recv_x, recv_count, handle, _, hook = buffer.low_latency_dispatch(
        x, indices, maximum, experts, use_fp8=False, return_recv_hook=True
    )
    hook()
    combined, _, hook = buffer.low_latency_combine(
        recv_x.clone(), indices, weights, handle, return_recv_hook=True, **combine
    )
    hook()
    return recv_x, recv_count, handle, combined


def run_script(name, *words):
    result = subprocess.run(
        [sys.executable, str(HERE / name), *words], capture_output=True, text=True, timeout=600, env=os.environ
    )
    assert result.returncode == 0, f"{result.stdout}\n{result.stderr}"
    return result.stdout


@pytest.mark.parametrize("source_info", ["int64", "int32"])
def test_all_switches_in_two_processes(source_info):
    output = run_script(
        "low_latency.py",
        "--device",
        "simulator",
        "--num-processes",
        "2",
        "--num-tokens",
        "5",
        "--hidden",
        "512",
        "--num-experts",
        "4",
        "--num-topk",
        "2",
        "--source-info",
        source_info,
    )
    assert "all held" in output


def test_a_rank_that_does_not_come():
    # Long enough for a busy machine: all other steps must not take longer.
    output = run_script("lost_ranks.py", "--device", "simulator", "--timeout", "10")
    assert "all held" in output


@pytest.mark.gpu
def test_a_rank_that_does_not_come_on_a_gpu():
    output = run_script("lost_ranks.py", "--device", "cuda", "--num-processes", "3")
    assert "all held" in output


@pytest.mark.gpu
@pytest.mark.parametrize("processes", [2, 4, 8])
def test_all_switches_on_a_gpu(processes):
    output = run_script(
        "low_latency.py",
        "--device",
        "cuda",
        "--num-processes",
        str(processes),
        "--num-tokens",
        "64",
        "--hidden",
        "2048",
        "--num-experts",
        "32",
        "--repeats",
        "2",
    )
    assert "all held" in output


def test_one_rank_gives_back_weighted_rows(buffer):
    x, indices, weights = tokens()
    recv_x, recv_count, _, combined = step(buffer, x, indices, weights)
    assert recv_count.tolist() == [(indices == expert).sum().item() for expert in range(4)]
    expected = (x.float() * weights[:, :1] + x.float() * weights[:, 1:]).to(torch.bfloat16)
    assert (combined.float() - expected.float()).abs().max() <= 2**-7 * expected.float().abs().max()


@pytest.mark.parametrize("maximum", [5, 128])
def test_layout_of_scales(buffer, maximum):
    x, indices, _ = tokens(hidden=512)
    for exponents, columns, dtype in ((False, 4, torch.float32), (True, 1, torch.int32)):
        (values, scales), _, handle, event, hook = buffer.low_latency_dispatch(
            x, indices, maximum, 4, use_fp8=True, round_scale=exponents, use_ue8m0=exponents
        )
        assert hook is None and event.event is None
        assert values.shape == (4, maximum, 512) and values.dtype == torch.float8_e4m3fn and values.is_contiguous()
        assert scales.shape == (4, maximum, columns) and scales.dtype == dtype
        # Columns have room for whole tiles; with 128 rows, the strides are DeepEP's.
        assert scales.stride() == (128 * columns, 1, 128)
        assert len(handle) == 5 and handle[2:] == (maximum, 512, 4)


def test_handles(buffer):
    x, indices, weights = tokens()
    recv_x, _, handle, combined = step(buffer, x, indices, weights)
    again, _, _ = buffer.low_latency_combine(recv_x.clone(), indices, weights, tuple(handle))
    assert torch.equal(again, combined)
    with pytest.raises(swiftep.InvalidArgument, match="handle"):
        buffer.low_latency_combine(recv_x, indices, weights, (1, 2, 3))
    _, _, second, _ = step(buffer, x, indices, weights)
    buffer.low_latency_combine(recv_x.clone(), indices, weights, handle)
    step(buffer, x, indices, weights)
    with pytest.raises(swiftep.OutOfOrder, match="overwritten"):
        buffer.low_latency_combine(recv_x, indices, weights, handle)
    buffer.low_latency_combine(recv_x.clone(), indices, weights, second)


def test_what_a_dispatch_refuses(buffer):
    x, indices, _ = tokens()

    def refused(match, x=x, indices=indices, maximum=4, experts=4, error=swiftep.InvalidArgument, **switches):
        with pytest.raises(error, match=match):
            buffer.low_latency_dispatch(x, indices, maximum, experts, **switches)

    refused("x is float32", x=x.float())
    refused("strides", x=x.repeat(1, 2)[:, ::2])
    refused("topk_idx is int32.*topk_idx_t", indices=indices.int())
    refused("topk_idx is int64", indices=indices[:2])
    refused("number of tokens.*at most.*2", maximum=2)
    refused("num_max_dispatch_tokens_per_rank is 5000", maximum=5000)
    refused("hidden.*multiple of 128", x=x[:, :64].contiguous())
    refused("num_experts is 2000", experts=2000)
    refused("choices.*is 33", x=x[:1], indices=torch.arange(33).view(1, 33), experts=64)
    refused("use_ue8m0", use_ue8m0=True)
    refused("multiple of 512", round_scale=True, use_ue8m0=True)
    refused("round_scale", use_fp8=False, round_scale=True)
    refused("async_finish", async_finish=True, return_recv_hook=True)
    refused("use_nvfp4", error=NotImplementedError, use_nvfp4=True)
    refused("cumulative", cumulative_local_expert_recv_stats=torch.zeros(4))


def test_what_a_combine_refuses(buffer):
    x, indices, weights = tokens()
    recv_x, _, handle, _ = step(buffer, x, indices, weights)
    signal = torch.zeros(4, dtype=torch.int32)

    def refused(match, x=recv_x, indices=indices, weights=weights, error=swiftep.InvalidArgument, **switches):
        with pytest.raises(error, match=match):
            buffer.low_latency_combine(x, indices, weights, handle, **switches)

    refused("x is float32", x=recv_x.float())
    refused("topk_idx", indices=indices[:2])
    refused("topk_weights", weights=weights.double())
    refused("out is", out=torch.zeros((1, 128), dtype=torch.bfloat16))
    refused("combine_wait", combine_wait_recv_cost_stats=torch.zeros(1))
    refused("use_logfmt", error=NotImplementedError, use_logfmt=True)
    refused("src_signals", error=NotImplementedError, src_signals=signal)
    refused("return_recv_hook", overlap=True, comp_signal=signal)
    refused("block_m is 128", overlap=True, comp_signal=signal, return_recv_hook=True, block_m=128)
    refused("comp_signal is None", overlap=True, return_recv_hook=True)
    refused("at least 4", overlap=True, return_recv_hook=True, comp_signal=signal[:2])
    for number in (0, -1, 2**32 + 3, 1.5):
        refused("num_sms", overlap=True, return_recv_hook=True, comp_signal=signal, num_sms=number)
    for number in (-1, 2**32 + 1, 0.5):
        refused("threshold", overlap=True, return_recv_hook=True, comp_signal=signal, threshold=number)


def at(tensor, skip):
    """A copy of a tensor that begins `skip` bytes behind a multiple of 64."""
    memory = torch.zeros(tensor.nbytes + 64, dtype=torch.uint8)
    start = -memory.data_ptr() % 64 + skip
    # Only NumPy has views of any address.
    raw = memory.numpy()[start : start + tensor.nbytes].view(tensor.view(torch.uint8).numpy().dtype)
    copy = torch.frombuffer(raw.data, dtype=tensor.dtype).view(tensor.shape)
    assert copy.data_ptr() % 64 == skip
    return copy.copy_(tensor)


class Calls:
    """The library, with the names of what it is asked for."""

    def __init__(self, library):
        self.library, self.names = library, []

    def __getattr__(self, name):
        self.names.append(name)
        return getattr(self.library, name)


def test_what_a_receive_would_refuse_is_refused_before_the_send(buffer, monkeypatch):
    x, indices, weights = tokens()
    recv_x, _, handle, combined = step(buffer, x, indices, weights)
    calls = Calls(buffer._library)
    monkeypatch.setattr(buffer, "_library", calls)
    skewed = {
        "out": {"out": at(torch.zeros_like(combined), 2)},
        "topk_idx": {"topk_idx": at(indices, 4)},
        "topk_weights": {"topk_weights": at(weights, 2)},
        "x": {"x": at(recv_x, 2)},
        "combine_wait_recv_cost_stats": {"combine_wait_recv_cost_stats": at(torch.zeros(1, dtype=torch.int64), 4)},
    }
    for name, changed in skewed.items():
        for hook in (False, True):
            arguments = {"x": recv_x, "topk_idx": indices, "topk_weights": weights, "handle": handle, **changed}
            with pytest.raises(swiftep.InvalidArgument, match=f"address of {name} is .*multiple of"):
                buffer.low_latency_combine(return_recv_hook=hook, **arguments)
    for name in ("cumulative_local_expert_recv_stats", "dispatch_wait_recv_cost_stats"):
        statistics = torch.zeros(4, dtype=torch.int32) if name[0] == "c" else torch.zeros(1, dtype=torch.int64)
        with pytest.raises(swiftep.InvalidArgument, match=f"address of {name} is .*multiple of"):
            buffer.low_latency_dispatch(x, indices, 4, 4, use_fp8=False, **{name: at(statistics, 2)})
    assert "swiftep_combine_send" not in calls.names and "swiftep_dispatch_send" not in calls.names
    assert torch.equal(step(buffer, x, indices, weights)[3], combined)


def test_a_handle_of_another_buffer(buffer):
    other = deep_ep.Buffer(None, 0, 0, True, comm=Alone())
    x, indices, weights = tokens()
    recv_x, _, handle, _ = step(other, x, indices, weights)
    step(buffer, x, indices, weights)
    for end in (lambda: None, other.destroy):
        end()
        for given in (handle, tuple(handle)):
            with pytest.raises(swiftep.InvalidArgument, match="handle is "):
                buffer.low_latency_combine(recv_x, indices, weights, given)
            with pytest.raises(swiftep.InvalidArgument, match="handle is "):
                buffer.get_next_low_latency_combine_buffer(given)


def test_ones_own_rank_cannot_be_masked(buffer):
    # Before the first dispatch, when there is no exchange yet that would refuse it.
    with pytest.raises(swiftep.InvalidArgument, match="rank_to_mask is 0.*other than"):
        buffer.low_latency_update_mask_buffer(0, True)
    step(buffer, *tokens())


@pytest.mark.parametrize("fails", ["swiftep_buffer_connect", "swiftep_buffer_received", "swiftep_buffer_mask"])
def test_an_exchange_that_cannot_be_made_is_freed(buffer, monkeypatch, fails):
    from swiftep import _library

    made, freed, original = [], [], _library.call

    def call(name, *arguments):
        if name == fails:
            raise swiftep.TransportError("the others do not come")
        original(name, *arguments)
        if name == "swiftep_buffer_create":
            made.append(arguments[-1]._obj.value)
        if name == "swiftep_buffer_free":
            freed.append(arguments[0])

    monkeypatch.setattr(_library, "call", call)
    buffer._masked.add(0)
    with pytest.raises(swiftep.TransportError, match="do not come"):
        step(buffer, *tokens())
    assert len(made) == 1 and freed == made and not buffer._exchanges
    buffer._masked.clear()
    monkeypatch.undo()
    monkeypatch.setenv("SWIFTEP_DEVICE", "simulator")
    step(buffer, *tokens())


def test_normal_mode_says_what_to_use(buffer):
    for name in ("dispatch", "combine", "get_dispatch_layout", "internode_dispatch", "internode_combine"):
        with pytest.raises(NotImplementedError, match="low_latency_dispatch"):
            getattr(buffer, name)()
    config = deep_ep.Buffer.get_dispatch_config(8)
    assert config.get_nvl_buffer_size_hint(7168, 8) == config.get_rdma_buffer_size_hint(7168, 8) == 0


def test_what_engines_read(buffer):
    assert (buffer.rank, buffer.group_size, buffer.low_latency_mode, buffer.enable_shrink) == (0, 1, True, True)
    assert buffer.num_nvl_bytes == buffer.num_rdma_bytes == 0 and buffer.nvshmem_qp_depth == 1024
    assert buffer.runtime.is_available() and deep_ep.Buffer.num_sms == 20 and deep_ep.Buffer.is_sm90_compiled()
    assert deep_ep.topk_idx_t == torch.int64
    small = deep_ep.Buffer.get_low_latency_rdma_size_hint(16, 512, 2, 8)
    assert (
        0
        < small
        < deep_ep.Buffer.get_low_latency_rdma_size_hint(
            num_max_dispatch_tokens_per_rank=32, hidden=512, num_ranks=2, num_experts=8
        )
    )
    buffer.get_local_buffer_tensor(dtype=torch.int8, use_rdma_buffer=True).zero_()
    assert buffer.get_local_buffer_tensor(torch.float32, torch.Size((2, 3)), 1).shape == (2, 3)
    with buffer.capture():
        pass
    buffer.clean_low_latency_buffer(4, 128, 4)


def test_prepare_and_zero_copy(buffer):
    buffer.prepare(4, 128, 4, 2, use_fp8=False)
    x, indices, weights = tokens()
    recv_x, _, handle, combined = step(buffer, x, indices, weights)
    place = buffer.get_next_low_latency_combine_buffer(handle)
    assert place.shape == recv_x.shape and place.is_contiguous()
    place.copy_(recv_x)
    again, _, _ = buffer.low_latency_combine(recv_x * 0, indices, weights, handle, zero_copy=True)
    assert torch.equal(again, combined)


@pytest.mark.parametrize("combine_first", [False, True])
def test_rows_are_sent_while_a_gemm_makes_them(buffer, combine_first):
    from swiftep import deep_gemm
    from swiftep.deep_gemm.utils.math import per_block_cast_to_fp8

    x, indices, weights = tokens(count=100, hidden=128, experts=4)
    weight = per_block_cast_to_fp8(torch.randn((4, 128, 128), dtype=torch.float32))

    def run(overlap):
        recv_x, recv_count, handle, _, hook = buffer.low_latency_dispatch(x, indices, 100, 4, return_recv_hook=True)
        hook()
        rows = torch.full((4, 100, 128), float("nan"), dtype=torch.bfloat16)
        signal = torch.zeros(4 * 2, dtype=torch.int32)

        def gemm(**arguments):
            return deep_gemm.m_grouped_fp8_gemm_nt_masked(recv_x, weight, rows, recv_count, 25, **arguments)

        def combine(**arguments):
            return buffer.low_latency_combine(rows, indices, weights, handle, return_recv_hook=True, **arguments)

        if not overlap:
            gemm()
            combined, _, hook = combine()
        elif combine_first:
            # The threshold is that of GEMMs of this width: one tile.
            combined, _, hook = combine(overlap=True, comp_signal=signal, block_m=64, threshold=1)
            assert gemm(enable_overlap=True, signal=signal) == (64, 1)
        else:
            block_m, threshold = gemm(enable_overlap=True, signal=signal)
            combined, _, hook = combine(overlap=True, comp_signal=signal, block_m=block_m, threshold=threshold)
        hook()
        return combined

    plain = run(False)
    assert plain.float().abs().sum() > 0
    assert torch.equal(run(True), plain)
    deep_gemm.clear()


def test_masks(buffer):
    status = torch.full((1,), 7, dtype=torch.int32)
    buffer.low_latency_query_mask_buffer(status)
    assert status.tolist() == [0]
    step(buffer, *tokens())
    buffer.low_latency_query_mask_buffer(status)
    assert status.tolist() == [0]
    with pytest.raises(swiftep.InvalidArgument, match="rank_to_mask"):
        buffer.low_latency_update_mask_buffer(1, True)
    buffer.low_latency_clean_mask_buffer()


def test_a_destroyed_buffer(buffer):
    step(buffer, *tokens())
    buffer.destroy()
    assert buffer.runtime is None
    for call in (buffer.check, buffer.reset, lambda: step(buffer, *tokens())):
        with pytest.raises(swiftep.OutOfOrder, match="destroyed"):
            call()


def test_the_name_is_taken_by_choice():
    program = (
        "import sys; import swiftep.deep_ep as own; assert 'deep_ep' not in sys.modules; own.install(); own.install()\n"
        "import deep_ep; from deep_ep import Buffer, Config; from deep_ep.utils.math import calc_diff\n"
        "from deep_ep.utils.envs import init_dist; from deep_ep.utils.testing import bench, bench_kineto\n"
        "assert Buffer is own.Buffer and deep_ep is own"
    )
    environment = {**os.environ, "PYTHONPATH": str(HERE.parents[1] / "Python")}
    subprocess.run([sys.executable, "-c", program], check=True, env=environment)


def test_no_context_at_import():
    program = "import torch, swiftep.deep_ep, swiftep.deep_gemm; assert not torch.cuda.is_initialized()"
    environment = {**os.environ, "PYTHONPATH": str(HERE.parents[1] / "Python")}
    subprocess.run([sys.executable, "-c", program], check=True, env=environment)


def test_handles_are_over_after_a_reset(buffer):
    x, indices, weights = tokens()
    handles = [step(buffer, x, indices, weights)[2] for _ in range(3)]
    buffer.reset()
    # After a dispatch, too: turns may begin anew or go on.
    for _ in range(4):
        for handle in handles:
            with pytest.raises(swiftep.OutOfOrder, match="handle is of dispatch"):
                buffer.get_next_low_latency_combine_buffer(handle)
        step(buffer, x, indices, weights)


def test_numbers_that_are_not_finite(monkeypatch):
    monkeypatch.setenv("SWIFTEP_DEVICE", "simulator")
    for link in ((float("nan"), 0), (1e9, float("inf")), (-1, 0), (1e9,), "no"):
        with pytest.raises(swiftep.InvalidArgument, match="link is"):
            deep_ep.Buffer(None, comm=Alone(), link=link)
    for timeout in (float("nan"), float("inf"), 0, -1):
        with pytest.raises(swiftep.InvalidArgument, match="timeout is"):
            deep_ep.Buffer(None, comm=Alone(), timeout=timeout)
    for name, value in (("LINK", "nan,0"), ("LINK", "1e9,inf"), ("TIMEOUT", "nan"), ("TIMEOUT", "inf")):
        with monkeypatch.context() as patch:
            patch.setenv(f"SWIFTEP_{name}", value)
            with pytest.raises(swiftep.InvalidArgument, match=f"{name.lower()} is|{name} is"):
                deep_ep.Buffer(None, comm=Alone())


@pytest.fixture
def quick_switches():
    """Threads take turns after every few instructions."""
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(interval)


def test_two_buffers_in_two_threads(buffer, quick_switches):
    other = deep_ep.Buffer(None, 0, 0, True, comm=Alone())
    expected = {count: step(buffer, *tokens(count))[3].clone() for count in (1, 2, 3, 4)}
    inputs = {count: tokens(count) for count in expected}

    def run(buffer):
        for repeat in range(12):
            count = repeat % 4 + 1
            # Copies: each call lends memory of its own, which goes at once.
            combined = step(buffer, *(tensor.clone() for tensor in inputs[count]))[3]
            assert torch.equal(combined, expected[count])

    with concurrent.futures.ThreadPoolExecutor(2) as threads:
        for done in [threads.submit(run, each) for each in (buffer, other)]:
            done.result()
    other.destroy()
