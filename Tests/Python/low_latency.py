"""Dispatch and combine through ``swiftep.deep_ep``, checked in several processes.

    python Tests/Python/low_latency.py --num-processes 2 --num-tokens 128 --hidden 7168 --num-experts 32

All processes use GPU 0, or with ``--gpus`` several, or the simulator where there is none (``--device simulator``; use
small sizes there). What
DeepEP's own test of its low-latency mode asserts is asserted here, and more: rows bit for bit, their order, and equal
bits of all ways to combine. Exits with an error, and says where, if something does not hold."""

from __future__ import annotations

import argparse
import os
import random
import statistics
import sys
import time
from dataclasses import dataclass
from functools import partial
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "Python"))

import torch
import torch.distributed as dist

LOW = 2**32 - 1
RANK_OFFSET = 128


@dataclass
class Case:
    """Sizes of a run, and which rank this is."""

    rank: int
    ranks: int
    tokens: int
    max_tokens: int
    hidden: int
    experts: int
    top_k: int
    device: torch.device

    @property
    def local_experts(self):
        return self.experts // self.ranks

    @property
    def max_rows(self):
        return self.ranks * self.max_tokens


def gather(tensor, case, group):
    """The tensors of all ranks, ``[max_tokens, …]`` each, on this device; rows that a rank has not are -2."""
    padded = torch.full((case.max_tokens, *tensor.shape[1:]), -2, dtype=tensor.dtype, device="cpu")
    padded[: tensor.shape[0]] = tensor.cpu()
    everyone = [torch.empty_like(padded) for _ in range(case.ranks)]
    dist.all_gather(everyone, padded, group=group)
    return torch.stack(everyone).to(case.device)


def structured(case):
    """Rows that tell where they are from: the rank in all channels but the last 128, the token in those."""
    x = torch.full((case.tokens, case.hidden), case.rank - RANK_OFFSET, dtype=torch.bfloat16, device=case.device)
    x[:, -128:] = torch.arange(case.tokens, device=case.device).to(torch.bfloat16).view(-1, 1)
    return x


def choices(case):
    """Expert indices with some -1 among them, and weights."""
    scores = torch.rand((case.tokens, case.experts), dtype=torch.float32, device=case.device)
    indices = torch.topk(scores, case.top_k, dim=-1).indices
    for _ in range(10 if case.tokens else 0):
        indices[random.randrange(case.tokens), random.randrange(case.top_k)] = -1
    weights = torch.randn((case.tokens, case.top_k), dtype=torch.float32, device=case.device).abs()
    return indices.contiguous(), weights


def rows_of(recv_x, expert, count):
    """The rows of an expert in bfloat16."""
    from swiftep.deep_ep.utils import per_token_cast_back

    if isinstance(recv_x, tuple):
        return per_token_cast_back(recv_x[0][expert, :count], recv_x[1][expert, :count])
    return recv_x[expert, :count]


def check_received(case, x, name, everyone, recv_x, recv_count, handle, totals, round_scale):
    """All that must hold of what a dispatch has received. everyone: x and topk_idx of all ranks."""
    from swiftep.deep_ep.utils import calc_diff

    all_x, all_indices = everyone
    source_info, layout_range = handle[0], handle[1]
    assert tuple(handle[2:]) == (case.max_tokens, case.hidden, case.experts), handle[2:]
    assert layout_range.dtype == torch.int64 and tuple(layout_range.shape) == (case.local_experts, case.ranks)
    assert recv_count.dtype == torch.int32
    tokens_of = source_info & LOW if source_info.dtype == torch.int64 else source_info
    for expert in range(case.local_experts):
        number = case.rank * case.local_experts + expert
        count = recv_count[expert].item()
        where = f"{name}, rank {case.rank}, expert {number}"
        assert totals[expert].item() == count, f"{where}: statistics say {totals[expert].item()}, counted {count}"
        selected = (all_indices == number).sum().item()
        assert count == selected, f"{where}: {count} rows, selected {selected} times"
        assert count == (layout_range[expert] & LOW).sum().item(), f"{where}: layout_range {layout_range[expert]}"
        rows, tokens = rows_of(recv_x, expert, count), tokens_of[expert, :count].long()
        begin = 0
        for source in range(case.ranks):
            first, length = (layout_range[expert, source] >> 32).item(), (layout_range[expert, source] & LOW).item()
            assert first == begin, f"{where}: rows of rank {source} begin at {first}, not {begin}"
            begin += length
            expected = (all_indices[source] == number).any(dim=1).nonzero().view(-1)
            part = slice(first, first + length)
            assert torch.equal(tokens[part], expected), f"{where}: tokens of rank {source} are {tokens[part]}"
            if source_info.dtype == torch.int64:
                assert (source_info[expert, part] >> 32 == source).all(), f"{where}: wrong source ranks"
            sent = all_x[source, expected]
            if not isinstance(recv_x, tuple):
                assert torch.equal(rows[part], sent), f"{where}: rows of rank {source} are not those sent"
            elif length:
                largest = max(sent.float().abs().max().item(), 1e-9)
                error = (rows[part].float() - sent.float()).abs().max().item() / largest
                assert error < 0.07, f"{where}: rows of rank {source} are off by {error}"
        if name.startswith("structured") and count:
            least, most = rows[:, :-128].amin(dim=-1), rows[:, :-128].amax(dim=-1)
            assert torch.equal(least, most), f"{where}: channels differ"
            if round_scale:
                assert calc_diff(rows[:, -1], tokens) < 0.007, where
            else:
                assert (rows[:, -128:] == tokens.view(-1, 1).to(torch.bfloat16)).all(), where
                for source in range(case.ranks):
                    mine = (least == source - RANK_OFFSET).sum().item()
                    assert mine == (all_indices[source] == number).sum().item(), where


def all_rows(case, recv_x, recv_count):
    """What a layer of experts that give back their input would send home; NaN where there are no rows."""
    slab = torch.full(
        (case.local_experts, case.max_rows, case.hidden), float("nan"), dtype=torch.bfloat16, device=case.device
    )
    for expert in range(case.local_experts):
        count = recv_count[expert].item()
        slab[expert, :count] = rows_of(recv_x, expert, count)
    return slab


def ready_signals(case, recv_count, block_m, threshold):
    """Signals as a GEMM leaves them when it is done."""
    blocks = -(-case.max_rows // block_m)
    signals = torch.zeros((case.local_experts, blocks), dtype=torch.int32, device=case.device)
    for expert in range(case.local_experts):
        signals[expert, : -(-recv_count[expert].item() // block_m)] = threshold
    return signals.view(-1)


def ways_to_combine(hook):
    """Switches of a combine that all give the same bits."""
    for zero_copy in (False, True):
        for overlap in (False, True) if hook else (False,):
            yield zero_copy, overlap


def exercise(buffer, case, group, repeats=1, report=print):
    """Every combination of switches. Returns a number that depends on all bits received and combined."""
    from swiftep.deep_ep.utils import calc_diff, hash_tensor

    total = 0
    indices, weights = choices(case)
    inputs = {
        "structured": structured(case),
        "random": torch.randn((case.tokens, case.hidden), dtype=torch.float32, device=case.device)
        .mul(0.1)
        .to(torch.bfloat16),
    }
    sums = weights.masked_fill(indices == -1, 0).sum(dim=1).view(-1, 1)
    all_indices = gather(indices, case, group)
    dispatch_waits = torch.zeros(case.ranks, dtype=torch.int64, device=case.device)
    combine_waits = torch.zeros(case.ranks, dtype=torch.int64, device=case.device)
    number = 0
    for kind, x in inputs.items():
        all_x = gather(x, case, group)
        for hook_mode in (False, True):
            for fp8, round_scale, exponents in (
                (False, False, False),
                (True, False, False),
                (True, True, False),
                (True, True, True),
            ):
                if exponents and case.hidden % 512 != 0:
                    continue
                number += 1
                name = f"{kind} x, hook {hook_mode}, fp8 {fp8}, round_scale {round_scale}, use_ue8m0 {exponents}"
                for _ in range(number % 2 + 1):
                    totals = torch.zeros(case.local_experts, dtype=torch.int32, device=case.device)
                    recv_x, recv_count, handle, event, hook = buffer.low_latency_dispatch(
                        x,
                        indices,
                        case.max_tokens,
                        case.experts,
                        use_fp8=fp8,
                        round_scale=round_scale,
                        use_ue8m0=exponents,
                        cumulative_local_expert_recv_stats=totals,
                        dispatch_wait_recv_cost_stats=dispatch_waits,
                        async_finish=not hook_mode,
                        return_recv_hook=hook_mode,
                    )
                    hook() if hook_mode else event.current_stream_wait()
                check_received(case, x, name, (all_x, all_indices), recv_x, recv_count, handle, totals, round_scale)
                slab = all_rows(case, recv_x, recv_count)
                for expert in range(case.local_experts):
                    total ^= hash_tensor(rows_of(recv_x, expert, recv_count[expert].item()))
                bits = None
                for zero_copy, overlap in ways_to_combine(hook_mode):
                    way = f"{name}, zero_copy {zero_copy}, overlap {overlap}"
                    if zero_copy:
                        buffer.get_next_low_latency_combine_buffer(handle)[:, :, :] = slab
                    out = torch.full((case.tokens, case.hidden), 7, dtype=torch.bfloat16, device=case.device)
                    # Half of the combines go by a copy of the handle, as engines that rebuild the tuple have it.
                    own = handle if overlap == zero_copy else tuple(handle)
                    combined, event, hook = buffer.low_latency_combine(
                        slab,
                        indices,
                        weights,
                        own,
                        async_finish=not hook_mode,
                        zero_copy=zero_copy,
                        return_recv_hook=hook_mode,
                        out=out,
                        combine_wait_recv_cost_stats=combine_waits,
                        overlap=overlap,
                        packed_recv_count=recv_count if overlap else None,
                        comp_signal=ready_signals(case, recv_count, 64, 10) if overlap else None,
                        block_m=64,
                        threshold=10 if overlap else 0,
                        num_sms=3,
                    )
                    hook() if hook_mode else event.current_stream_wait()
                    assert combined.data_ptr() == out.data_ptr()
                    assert not combined.isnan().any(), f"{way}, rank {case.rank}: NaN in what was combined"
                    diff = calc_diff(x * sums, combined) if case.tokens else 0.0
                    limit = 1e-5 if not fp8 else 9e-4 if not round_scale else 4e-3
                    assert diff < limit, f"{way}, rank {case.rank}: differs by {diff}, wanted less than {limit}"
                    if bits is None:
                        bits = combined.clone()
                        if case.rank == 0:
                            report(f"{name:<80} {diff:.1e}")
                    assert torch.equal(bits, combined), f"{way}, rank {case.rank}: other bits than the first way"
                total ^= hash_tensor(bits)
    buffer.check()
    assert (dispatch_waits >= 0).all() and (combine_waits >= 0).all()
    return total


def zero_tokens(buffer, case, group):
    """Ranks without tokens take part: every second one, then all."""
    for every in (2, 1):
        idle = Case(**{**vars(case), "tokens": 0 if case.rank % every == every - 1 else case.tokens})
        x, (indices, weights) = structured(idle), choices(idle)
        all_x, all_indices = gather(x, idle, group), gather(indices, idle, group)
        totals = torch.zeros(case.local_experts, dtype=torch.int32, device=case.device)
        recv_x, recv_count, handle, _, hook = buffer.low_latency_dispatch(
            x,
            indices,
            case.max_tokens,
            case.experts,
            cumulative_local_expert_recv_stats=totals,
            use_fp8=False,
            return_recv_hook=True,
        )
        hook()
        name = f"structured x, every {every}. rank idle"
        check_received(idle, x, name, (all_x, all_indices), recv_x, recv_count, handle, totals, False)
        combined, _, hook = buffer.low_latency_combine(
            all_rows(idle, recv_x, recv_count), indices, weights, handle, return_recv_hook=True
        )
        hook()
        assert tuple(combined.shape) == (idle.tokens, case.hidden)


def stale_handles(buffer, case):
    """A handle two dispatches later is refused, and a destroyed buffer is."""
    import swiftep

    x, (indices, weights) = structured(case), choices(case)
    handles = []
    for _ in range(3):
        recv_x, recv_count, handle, _, hook = buffer.low_latency_dispatch(
            x, indices, case.max_tokens, case.experts, use_fp8=False, return_recv_hook=True
        )
        hook()
        handles.append(handle)
        slab = all_rows(case, recv_x, recv_count)
        _, _, hook = buffer.low_latency_combine(slab, indices, weights, handle, return_recv_hook=True)
        hook()
    try:
        buffer.low_latency_combine(slab, indices, weights, handles[0])
    except swiftep.OutOfOrder as wrong:
        assert "overwritten" in str(wrong), wrong
    else:
        raise AssertionError("a combine with a handle from three dispatches ago was taken")


def process(local_rank, arguments):
    """One rank of the test."""
    import swiftep
    from swiftep import deep_ep
    from swiftep.deep_ep.utils import init_dist

    rank, ranks, group = init_dist(local_rank, arguments.num_processes)
    device = torch.device("cpu")
    if torch.cuda.is_available() and arguments.device != "simulator":
        device = torch.device("cuda", local_rank % arguments.gpus)
        torch.cuda.set_device(device)
    case = Case(
        rank,
        ranks,
        arguments.num_tokens,
        arguments.num_tokens,
        arguments.hidden,
        arguments.num_experts,
        arguments.num_topk,
        device,
    )
    size = deep_ep.Buffer.get_low_latency_rdma_size_hint(case.max_tokens, case.hidden, ranks, case.experts)
    if rank == 0:
        print(f"{ranks} processes on {device}, {case}; {size / 2**20:.1f} MiB of memory for a shape", flush=True)
    source_info = {"int32": torch.int32, "int64": torch.int64}[arguments.source_info]
    buffer = deep_ep.Buffer(
        group,
        num_rdma_bytes=size,
        low_latency_mode=True,
        num_qps_per_rank=case.local_experts,
        explicitly_destroy=True,
        source_info=source_info,
    )

    def report(text):
        print(text, flush=True)

    begin = time.perf_counter()
    first = None
    for repeat in range(arguments.repeats):
        torch.manual_seed(1 + rank)
        random.seed(1 + rank)
        bits = exercise(buffer, case, group, report=report if repeat == 0 else lambda text: None)
        first = bits if first is None else first
        assert bits == first, f"rank {rank}: repeat {repeat} has other bits"
    zero_tokens(buffer, case, group)
    stale_handles(buffer, case)
    buffer.clean_low_latency_buffer(case.max_tokens, case.hidden, case.experts)
    if arguments.bench and device.type == "cuda":
        times(buffer, case, report)
    buffer.check()
    buffer.destroy()
    try:
        buffer.check()
    except swiftep.OutOfOrder:
        pass
    else:
        raise AssertionError("a destroyed buffer was taken")
    dist.barrier()
    dist.destroy_process_group()
    if rank == 0:
        print(f"all held, {time.perf_counter() - begin:.1f} s", flush=True)


def times(buffer, case, report):
    """Seconds of a dispatch and a combine, between events."""
    from swiftep.deep_ep.utils import bench

    x, (indices, weights) = structured(case), choices(case)
    slab = torch.zeros((case.local_experts, case.max_rows, case.hidden), dtype=torch.bfloat16, device=case.device)

    def step(hook_mode):
        _, _, handle, _, hook = buffer.low_latency_dispatch(
            x, indices, case.max_tokens, case.experts, return_recv_hook=hook_mode
        )
        hook() if hook_mode else None
        _, _, hook = buffer.low_latency_combine(slab, indices, weights, handle, return_recv_hook=hook_mode)
        hook() if hook_mode else None

    for hook_mode in (False, True):
        average, least, most = bench(partial(step, hook_mode), num_warmups=5, num_tests=20)
        if case.rank == 0:
            report(
                f"dispatch + combine, hook {hook_mode}: average {average * 1e6:.0f} us, least {least * 1e6:.0f}, "
                f"most {most * 1e6:.0f}"
            )
    median = graph_microseconds(lambda: step(True))
    if case.rank == 0:
        report(f"dispatch + combine, hook True, as a graph: median {median:.1f} us")


def graph_microseconds(step, replays=200):
    """The median time of a step that is captured and replayed again and again."""
    torch.cuda.synchronize()
    graph, stream = torch.cuda.CUDAGraph(), torch.cuda.Stream()
    with torch.cuda.graph(graph, stream=stream):
        step()
    events = [torch.cuda.Event(enable_timing=True) for _ in range(replays + 1)]
    dist.barrier()
    for _ in range(10):
        graph.replay()
    for event in events[:-1]:
        event.record()
        graph.replay()
    events[-1].record()
    torch.cuda.synchronize()
    return statistics.median(a.elapsed_time(b) * 1e3 for a, b in zip(events, events[1:]))


def spawn(arguments, process=process):
    """Runs `process` for each rank. They find each other at a free port."""
    import socket

    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        os.environ["MASTER_PORT"] = str(free.getsockname()[1])
    os.environ["MASTER_ADDR"] = "127.0.0.1"
    if arguments.device:
        os.environ["SWIFTEP_DEVICE"] = "simulator" if arguments.device == "simulator" else "cuda:0"
    torch.multiprocessing.spawn(process, args=(arguments,), nprocs=arguments.num_processes)


def parse(words=None):
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--num-processes", type=int, default=2)
    parser.add_argument("--num-tokens", type=int, default=128, help="of each rank")
    parser.add_argument("--hidden", type=int, default=7168)
    parser.add_argument("--num-topk", type=int, default=8)
    parser.add_argument("--num-experts", type=int, default=32)
    parser.add_argument("--repeats", type=int, default=1, help="all again, wanting the same bits")
    parser.add_argument("--source-info", choices=("int64", "int32"), default="int64")
    parser.add_argument("--device", choices=("cuda", "simulator"), default=None)
    parser.add_argument("--gpus", type=int, default=1, help="processes take them in turns")
    parser.add_argument("--bench", action="store_true", help="time a step, on a GPU")
    return parser.parse_args(words)


if __name__ == "__main__":
    spawn(parse())
