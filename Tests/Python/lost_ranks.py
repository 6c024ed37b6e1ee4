"""What becomes of a step that a rank does not come to, through ``swiftep.deep_ep``.

    python Tests/Python/lost_ranks.py                     # GPU 0, or the simulator where there is none

The last of the ranks leaves out a dispatch. Without ``enable_shrink`` the others get ``WaitTimedOut`` after
``--timeout`` seconds, all reset, and go on. With it they go on by themselves after that time, say who is masked, and
wait for it no more."""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))
sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "Python"))

import torch
import torch.distributed as dist
from low_latency import Case, choices, spawn, structured


def step(buffer, case, check=True):
    """A step in BF16 that gives back its input, weighted. Returns how many rows were received."""
    x, (indices, weights) = structured(case), choices(case)
    recv_x, recv_count, handle, _, hook = buffer.low_latency_dispatch(
        x, indices, case.max_tokens, case.experts, use_fp8=False, return_recv_hook=True
    )
    hook()
    rows = recv_x.clone()
    combined, _, hook = buffer.low_latency_combine(rows, indices, weights, handle, return_recv_hook=True)
    hook()
    buffer.check()
    if check:
        expected = x.float() * weights.masked_fill(indices == -1, 0).sum(dim=1, keepdim=True)
        error = (combined.float() - expected).abs().max() / expected.abs().max()
        assert error < 0.02, f"rank {case.rank}: off by {error}"
    return int(recv_count.sum())


def stopped(buffer, case, group, options, report):
    """Without masks: an error in time, a reset, and all is well."""
    import swiftep

    step(buffer, case)
    dist.barrier(group)
    begin = time.monotonic()
    if case.rank < case.ranks - 1:
        try:
            step(buffer, case)
        except swiftep.WaitTimedOut as wrong:
            report(f"after {time.monotonic() - begin:.1f} s: {wrong}")
        else:
            raise AssertionError(f"rank {case.rank}: a step without rank {case.ranks - 1} went well")
        assert time.monotonic() - begin < options.timeout + 20, "the error came late"
        try:
            step(buffer, case)
        except swiftep.Error:
            pass
        else:
            raise AssertionError(f"rank {case.rank}: a failed buffer was taken")
    dist.barrier(group)
    buffer.reset()
    dist.barrier(group)
    step(buffer, case)
    report("after the reset: well")


def masked(buffer, case, group, options, report):
    """With masks: the others go on."""
    step(buffer, case)
    whole = torch.zeros(case.ranks, dtype=torch.int32, device=case.device)
    buffer.low_latency_query_mask_buffer(whole)
    assert whole.tolist() == [0] * case.ranks, whole
    dist.barrier(group)
    last = case.ranks - 1
    status = torch.zeros(case.ranks, dtype=torch.int32, device=case.device)
    if case.rank < last:
        begin = time.monotonic()
        step(buffer, case, check=False)
        report(f"went on after {time.monotonic() - begin:.1f} s")
        buffer.low_latency_query_mask_buffer(status)
        assert status.tolist() == [0] * last + [1], f"rank {case.rank}: masks {status.tolist()}"
        begin = time.monotonic()
        step(buffer, case, check=False)
        assert time.monotonic() - begin < options.timeout, "a masked rank is waited for"
    dist.barrier(group)
    report("who was masked is known, and waited for no more")


def process(local_rank, options):
    """One rank of the test."""
    from swiftep import deep_ep
    from swiftep.deep_ep.utils import init_dist

    rank, ranks, group = init_dist(local_rank, options.num_processes)
    simulated = options.device == "simulator" or not torch.cuda.is_available()
    if not simulated:
        torch.cuda.set_device(0)
    device = torch.device("cpu" if simulated else "cuda:0")
    case = Case(rank, ranks, 8, 8, 256, 2 * ranks, 2, device)

    def report(text):
        if rank == 0:
            print(text, flush=True)

    for masks in (False, True):
        report("with masks" if masks else "without masks")
        buffer = deep_ep.Buffer(group, low_latency_mode=True, enable_shrink=masks, timeout=options.timeout)
        (masked if masks else stopped)(buffer, case, group, options, report)
        dist.barrier(group)
        if not masks:
            buffer.destroy()
    report("all held")
    dist.barrier(group)
    dist.destroy_process_group()


def parse(words=None):
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--num-processes", type=int, default=2)
    parser.add_argument("--timeout", type=float, default=5.0, help="seconds")
    parser.add_argument("--device", choices=("cuda", "simulator"), default=None)
    return parser.parse_args(words)


if __name__ == "__main__":
    spawn(parse(), process)
