"""``swiftep.deep_ep`` on a GPU: streams, graphs, and tensors over the library's memory."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch", reason="needs PyTorch")

import swiftep  # noqa: E402
from overhead import Alone  # noqa: E402
from swiftep import deep_ep  # noqa: E402

pytestmark = [pytest.mark.torch, pytest.mark.gpu]

TOKENS, HIDDEN, EXPERTS, TOP_K = 48, 1024, 8, 4


@pytest.fixture
def buffer(monkeypatch):
    monkeypatch.setenv("SWIFTEP_DEVICE", "cuda:0")
    buffer = deep_ep.Buffer(None, low_latency_mode=True, comm=Alone())
    yield buffer
    buffer.destroy()


def inputs(seed=0):
    generator = torch.Generator(device="cuda").manual_seed(seed)

    def rand(*shape):
        return torch.rand(shape, dtype=torch.float32, device="cuda", generator=generator)

    return (
        (rand(TOKENS, HIDDEN) - 0.5).to(torch.bfloat16),
        rand(TOKENS, EXPERTS).topk(TOP_K).indices,
        rand(TOKENS, TOP_K),
    )


def step(buffer, x, indices, weights, hook_mode=True, async_finish=False):
    """A step that sends rows home as they came."""
    switches = {"return_recv_hook": hook_mode, "async_finish": async_finish}
    recv_x, _, handle, event, hook = buffer.low_latency_dispatch(x, indices, TOKENS, EXPERTS, use_fp8=False, **switches)
    hook() if hook_mode else event.current_stream_wait()
    rows = recv_x * 1
    combined, event, hook = buffer.low_latency_combine(rows, indices, weights, handle, **switches)
    hook() if hook_mode else event.current_stream_wait()
    return combined


def expected(x, weights):
    return x.float() * weights.sum(dim=1, keepdim=True)


def close(combined, wanted):
    return (combined.float() - wanted).abs().max() <= 0.01 * wanted.abs().max()


def test_received_tensors_are_the_librarys_memory(buffer):
    x, indices, _ = inputs()
    (values, scales), count, handle, _, hook = buffer.low_latency_dispatch(
        x, indices, TOKENS, EXPERTS, return_recv_hook=True
    )
    hook()
    assert values.is_cuda and values.dtype == torch.float8_e4m3fn and values.shape == (EXPERTS, TOKENS, HIDDEN)
    assert scales.stride() == (128 * HIDDEN // 128, 1, 128)
    assert count.tolist() == [(indices == expert).sum().item() for expert in range(EXPERTS)]
    again = buffer.low_latency_dispatch(x, indices, TOKENS, EXPERTS)
    third = buffer.low_latency_dispatch(x, indices, TOKENS, EXPERTS)
    assert again[0][0].data_ptr() != values.data_ptr() and third[0][0] is values
    assert third[2][1].data_ptr() == handle[1].data_ptr()


@pytest.mark.parametrize("async_finish", [False, True])
def test_ways_to_wait_give_the_same_bits(buffer, async_finish):
    x, indices, weights = inputs()
    combined = step(buffer, x, indices, weights)
    assert close(combined, expected(x, weights))
    other = step(buffer, x, indices, weights, hook_mode=False, async_finish=async_finish)
    assert torch.equal(other, combined)


def test_a_hook_receives_on_the_stream_of_the_call(buffer):
    x, indices, weights = inputs()
    wanted = step(buffer, x, indices, weights)
    side = torch.cuda.Stream()
    side.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(side):
        recv_x, _, handle, _, hook = buffer.low_latency_dispatch(
            x, indices, TOKENS, EXPERTS, use_fp8=False, return_recv_hook=True
        )
    hook()
    with torch.cuda.stream(side):
        rows = recv_x * 1
        combined, _, hook = buffer.low_latency_combine(rows, indices, weights, handle, return_recv_hook=True)
    hook()
    torch.cuda.current_stream().wait_stream(side)
    assert torch.equal(combined, wanted)


@pytest.mark.parametrize("hook_mode", [False, True])
def test_graphs(buffer, hook_mode):
    buffer.prepare(TOKENS, HIDDEN, EXPERTS, TOP_K, use_fp8=False)
    own = inputs()
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        combined = step(buffer, *own, hook_mode=hook_mode)
    for seed in range(1, 6):
        other = inputs(seed)
        for tensor, value in zip(own, other):
            tensor.copy_(value)
        graph.replay()
        assert close(combined, expected(other[0], other[2])), f"replay {seed}"
        eager = step(buffer, *other)
        assert torch.equal(eager, combined), f"replay {seed}"
    buffer.check()


def test_memory_is_not_made_in_a_capture(buffer):
    x, indices, weights = inputs()
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        y = x * 2
        with pytest.raises(swiftep.OutOfOrder, match="Buffer.prepare"):
            buffer.low_latency_dispatch(x, indices, TOKENS, EXPERTS)
    graph.replay()
    assert torch.equal(y, x * 2)
    assert close(step(buffer, x, indices, weights), expected(x, weights))


def test_tensors_of_another_device_are_refused(buffer):
    x, indices, _ = inputs()
    with pytest.raises(swiftep.InvalidArgument, match="on cuda:0"):
        buffer.low_latency_dispatch(x.cpu(), indices, TOKENS, EXPERTS)
