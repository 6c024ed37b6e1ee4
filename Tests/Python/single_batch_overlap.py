"""Single Batch Overlap as SGLang runs it, on ``swiftep.deep_ep`` and ``swiftep.deep_gemm``. Needs a GPU.

    python Tests/Python/single_batch_overlap.py --num-processes 2 --num-tokens 64

Every step: send of the dispatch; shared expert; receive; gate and up; silu, product, quantisation; down with signals
on one stream beside the send of the combine on another, which has ``--num-sms`` multiprocessors; receive; streams
joined. The same without overlap must give the same bits, in every step, with other tokens and other counts each time,
eagerly and as replays of a CUDA graph. Prints times between CUDA events. ``SWIFTEP_LINK`` is a modelled link between
ranks, ``bytes_per_second,latency_seconds``, as in ``SWIFTEP_LINK=50e9,2e-6``."""

from __future__ import annotations

import argparse
import os
import socket
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "Python"))

import torch
import torch.distributed as dist


class Layer:
    """Experts of a rank, a shared expert, and the buffers of a step."""

    def __init__(self, buffer, rank, ranks, options):
        from swiftep.deep_gemm.utils.math import per_block_cast_to_fp8

        self.buffer, self.rank, self.ranks, self.options = buffer, rank, ranks, options
        hidden, inner = options.hidden, options.intermediate
        self.local = options.num_experts // ranks
        self.rows = ranks * options.num_tokens
        self.block_m = 64
        device = torch.device("cuda", torch.cuda.current_device())
        generator = torch.Generator(device=device).manual_seed(100 + rank)

        def weight(experts, n, k):
            made = []
            for _ in range(experts):
                made.append(torch.randn((n, k), dtype=torch.float32, device=device, generator=generator) * 0.05)
            values, scales = zip(*(per_block_cast_to_fp8(one) for one in made))
            return torch.stack(values), torch.stack(scales)

        self.gate_up = weight(self.local, 2 * inner, hidden)
        self.down = weight(self.local, hidden, inner)
        self.shared_gate_up = (torch.randn((2 * inner, hidden), device=device, dtype=torch.float32) * 0.02).bfloat16()
        self.shared_down = (torch.randn((hidden, inner), device=device, dtype=torch.float32) * 0.02).bfloat16()

        def empty(*shape, dtype=torch.bfloat16):
            return torch.zeros(shape, dtype=dtype, device=device)

        tokens = options.num_tokens
        self.x = empty(tokens, hidden)
        self.indices = empty(tokens, options.num_topk, dtype=torch.int64)
        self.weights = empty(tokens, options.num_topk, dtype=torch.float32)
        self.gate_up_out = empty(self.local, self.rows, 2 * inner)
        self.down_in = empty(self.local, self.rows, inner, dtype=torch.float8_e4m3fn)
        scale_rows = -(-self.rows // 4) * 4
        scales = empty(self.local, inner // 128, scale_rows, dtype=torch.float32)
        self.down_scales = scales.transpose(1, 2)[:, : self.rows]
        self.down_out = empty(self.local, self.rows, hidden)
        self.signals = empty(self.local * -(-self.rows // self.block_m), dtype=torch.int32)
        self.output = empty(tokens, hidden)
        self.beside = torch.cuda.Stream()
        self.multiprocessors = torch.cuda.get_device_properties(device).multi_processor_count

    def new_batch(self, number):
        """Other tokens and other experts: with each number, some experts are more popular than others."""
        generator = torch.Generator(device=self.x.device).manual_seed(1000 * number + self.rank)
        options = self.options
        shape = (options.num_tokens, options.hidden)
        self.x.copy_(torch.randn(shape, dtype=torch.float32, device=self.x.device, generator=generator) * 0.3)
        popularity = torch.rand(options.num_experts, dtype=torch.float32, device=self.x.device, generator=generator)
        scores = torch.rand(
            (options.num_tokens, options.num_experts), dtype=torch.float32, device=self.x.device, generator=generator
        )
        indices = (scores + popularity * (number % 3)).topk(options.num_topk, dim=-1).indices
        indices[number % options.num_tokens, 0] = -1
        self.indices.copy_(indices)
        weights = torch.rand(self.weights.shape, dtype=torch.float32, device=self.x.device, generator=generator)
        self.weights.copy_(weights)

    def shared_expert(self):
        gate, up = (self.x @ self.shared_gate_up.t()).chunk(2, dim=-1)
        return (torch.nn.functional.silu(gate) * up) @ self.shared_down.t()

    def activate(self):
        """silu(gate) * up, quantised for the down GEMM, over the whole slab: rows beyond the counts are not read."""
        gate, up = self.gate_up_out.chunk(2, dim=-1)
        activated = (torch.nn.functional.silu(gate.float()) * up.float()).view(self.local, self.rows, -1, 128)
        maxima = activated.abs().amax(dim=-1, keepdim=True).clamp_min(1e-4)
        self.down_in.copy_((activated * (448.0 / maxima)).view(self.down_in.shape))
        self.down_scales.copy_((maxima / 448.0).view(self.down_scales.shape))

    def step(self, overlap):
        from swiftep import deep_gemm

        buffer, options = self.buffer, self.options
        recv_x, recv_count, handle, _, hook = buffer.low_latency_dispatch(
            self.x, self.indices, options.num_tokens, options.num_experts, use_fp8=True, return_recv_hook=True
        )
        shared = self.shared_expert()
        hook()
        expected = max(1, options.num_tokens * self.ranks * options.num_topk // options.num_experts)
        deep_gemm.m_grouped_fp8_gemm_nt_masked(recv_x, self.gate_up, self.gate_up_out, recv_count, expected)
        self.activate()
        down = ((self.down_in, self.down_scales), self.down, self.down_out, recv_count, expected)
        combine = {"topk_idx": self.indices, "topk_weights": self.weights, "handle": handle}
        if not overlap:
            deep_gemm.m_grouped_fp8_gemm_nt_masked(*down)
            combined, _, hook = buffer.low_latency_combine(
                x=self.down_out, return_recv_hook=True, out=self.output, **combine
            )
            hook()
        else:
            self.signals.zero_()
            current = torch.cuda.current_stream()
            start = torch.cuda.Event()
            start.record(current)
            deep_gemm.set_num_sms(self.multiprocessors - options.num_sms)
            block_m, threshold = deep_gemm.m_grouped_fp8_gemm_nt_masked(*down, enable_overlap=True, signal=self.signals)
            deep_gemm.set_num_sms(self.multiprocessors)
            self.beside.wait_event(start)
            with torch.cuda.stream(self.beside):
                combined, _, hook = buffer.low_latency_combine(
                    x=self.down_out,
                    overlap=True,
                    packed_recv_count=recv_count,
                    comp_signal=self.signals,
                    block_m=block_m,
                    threshold=threshold,
                    num_sms=options.num_sms,
                    async_finish=False,
                    return_recv_hook=True,
                    out=self.output,
                    **combine,
                )
            self.beside.wait_stream(current)
            hook()
            current.wait_stream(self.beside)
        combined.add_(shared)
        return recv_count


def captured(layer, overlap):
    """A step as a CUDA graph."""
    stream = torch.cuda.Stream()
    stream.wait_stream(torch.cuda.current_stream())
    # Scratch memory belongs to a stream, and is made by the first GEMM there.
    with torch.cuda.stream(stream):
        for _ in range(2):
            layer.step(overlap)
    torch.cuda.synchronize()
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph, stream=stream):
        layer.step(overlap)
    return graph


def timed(run, steps):
    """Microseconds of a step: median of spans between events."""
    spans = []
    for _ in range(steps):
        span = torch.cuda.Event(enable_timing=True), torch.cuda.Event(enable_timing=True)
        span[0].record()
        run()
        span[1].record()
        spans.append(span)
    torch.cuda.synchronize()
    times = sorted(begin.elapsed_time(end) * 1e3 for begin, end in spans)
    return times[len(times) // 2], times[0]


def process(local_rank, options):
    from swiftep import deep_ep, deep_gemm
    from swiftep.deep_ep.utils import init_dist

    rank, ranks, group = init_dist(local_rank, options.num_processes)
    torch.set_default_device("cpu")
    buffer = deep_ep.Buffer(group, 0, 0, low_latency_mode=True)
    layer = Layer(buffer, rank, ranks, options)
    buffer.prepare(options.num_tokens, options.hidden, options.num_experts, options.num_topk)

    def report(text):
        if rank == 0:
            print(text, flush=True)

    report(
        f"{ranks} ranks, {buffer.ranks_on_device} on a device; {vars(options)}; link {os.environ.get('SWIFTEP_LINK')}"
    )
    layer.new_batch(0)
    layer.step(False)
    layer.step(True)
    buffer.check()
    report(f"packing took {deep_gemm.packing_seconds():.3f} s")
    graphs = {overlap: captured(layer, overlap) for overlap in (False, True)}
    buffer.check()
    ways = {
        "eager, overlap": lambda: layer.step(True),
        "graph, plain": graphs[False].replay,
        "graph, overlap": graphs[True].replay,
    }
    counts = set()
    for number in range(options.steps):
        layer.new_batch(number)
        layer.output.zero_()
        counts.add(tuple(layer.step(False).tolist()))
        plain = layer.output.clone()
        assert plain.float().abs().sum() > 0 and plain.isfinite().all(), f"rank {rank}, step {number}: no sums"
        for name, run in ways.items():
            layer.output.zero_()
            layer.signals.zero_()
            run()
            torch.cuda.synchronize()
            differing = (layer.output != plain).any(dim=1).nonzero().view(-1).tolist()
            assert not differing, f"rank {rank}, step {number}, {name}: tokens {differing} have other bits"
    buffer.check()
    assert len(counts) > 1 or options.steps < 2, "counts did not change"
    report(f"{options.steps} steps, {len(counts)} different counts: same bits eagerly and as graphs, with and without")
    dist.barrier()
    report(f"{'':<16}{'median us':>12}{'least us':>12}")
    for name, run in {"eager, plain": lambda: layer.step(False), **ways}.items():
        run()
        torch.cuda.synchronize()
        dist.barrier()
        median, least = timed(run, options.timed)
        report(f"{name:<16}{median:>12.1f}{least:>12.1f}")
    buffer.check()
    del graphs
    deep_gemm.clear()
    buffer.destroy()
    dist.barrier()
    dist.destroy_process_group()
    report("all held")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--num-processes", type=int, default=2)
    parser.add_argument("--num-tokens", type=int, default=64, help="of each rank")
    parser.add_argument("--hidden", type=int, default=7168)
    parser.add_argument("--intermediate", type=int, default=2048)
    parser.add_argument("--num-experts", type=int, default=16)
    parser.add_argument("--num-topk", type=int, default=8)
    parser.add_argument("--num-sms", type=int, default=3, help="multiprocessors of the overlapped send")
    parser.add_argument("--steps", type=int, default=20, help="compared bit for bit")
    parser.add_argument("--timed", type=int, default=50, help="steps timed")
    options = parser.parse_args()
    if not torch.cuda.is_available():
        print("a GPU is needed", file=sys.stderr)
        return 2
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        os.environ["MASTER_PORT"] = str(free.getsockname()[1])
    os.environ["MASTER_ADDR"] = "127.0.0.1"
    begin = time.perf_counter()
    torch.multiprocessing.spawn(process, args=(options,), nprocs=options.num_processes)
    print(f"{time.perf_counter() - begin:.1f} s")
    return 0


if __name__ == "__main__":
    sys.exit(main())
