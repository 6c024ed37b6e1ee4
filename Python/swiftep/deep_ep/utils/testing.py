"""Times of functions on a GPU."""

from __future__ import annotations

import contextlib
import os
from typing import Any, Callable, Iterator, Optional, Union

import torch
import torch.distributed as dist

_FLUSHED_BYTES = 256 * 2**20


def flush_l2_cache(enabled: bool = True) -> None:
    """Writes more than a GPU's L2 holds."""
    if enabled:
        torch.empty(_FLUSHED_BYTES, dtype=torch.uint8, device="cuda").zero_()


def bench(
    fn: Callable[[], Any],
    num_warmups: int = 30,
    num_tests: int = 30,
    post_fn: Optional[Callable[[], Any]] = None,
    flush_l2: bool = True,
) -> tuple[float, float, float]:
    """Average, least and most seconds between events around ``fn``; the first of ``num_tests`` does not count."""
    for _ in range(num_warmups):
        fn()
    spans = []
    for _ in range(num_tests):
        flush_l2_cache(flush_l2)
        span = torch.cuda.Event(enable_timing=True), torch.cuda.Event(enable_timing=True)
        span[0].record()
        fn()
        span[1].record()
        if post_fn is not None:
            post_fn()
        spans.append(span)
    torch.cuda.synchronize()
    seconds = [begin.elapsed_time(end) / 1e3 for begin, end in spans[1:]]
    return sum(seconds) / len(seconds), min(seconds), max(seconds)


def bench_kineto(
    fn: Callable[[], Any],
    kernel_names: Union[str, tuple[str, ...]],
    num_tests: int = 30,
    suppress_kineto_output: bool = False,
    trace_path: Optional[str] = None,
    flush_l2: bool = True,
    barrier_comm_profiling: bool = False,
    num_kernels_per_period: int = 1,
    barrier: Optional[Callable[[], Any]] = None,
) -> Any:
    """Average seconds of kernels by a word in their names, from PyTorch's profiler.

    num_kernels_per_period: the number of kernels with that word that one call of ``fn`` launches, in turn; above 1, the
        result for the word is a list with the average of each. With 1, it is their sum for each call.
    barrier_comm_profiling: bring all ranks together before each call.

    A word that no kernel has gives 0. With ``EP_USE_NVIDIA_TOOLS=1``, under another profiler, all are 1."""
    single = isinstance(kernel_names, str)
    names = (kernel_names,) if isinstance(kernel_names, str) else tuple(kernel_names)
    pattern = num_kernels_per_period
    if int(os.environ.get("EP_USE_NVIDIA_TOOLS", 0)):
        ones = [1 if pattern == 1 else [1] * pattern for _ in names]
        return ones[0] if single else ones
    fn()
    torch.cuda.synchronize()
    flag = torch.ones(1, dtype=torch.float32, device="cuda")
    with _silence(suppress_kineto_output):
        with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CUDA]) as profile:
            for _ in range(num_tests):
                flush_l2_cache(flush_l2)
                if barrier_comm_profiling:
                    torch.cuda._sleep(20_000_000)
                    dist.all_reduce(flag) if barrier is None else barrier()
                fn()
            torch.cuda.synchronize()
    if trace_path is not None:
        profile.export_chrome_trace(trace_path)
    events = sorted(profile.events(), key=lambda event: event.time_range.start)
    times = [_times([e for e in events if name in e.name], num_tests, pattern) for name in names]
    return times[0] if single else times


def _times(events: list[Any], calls: int, pattern: int) -> Any:
    seconds = [event.time_range.elapsed_us() / 1e6 for event in events]
    if pattern == 1:
        return sum(seconds) / calls
    if len(seconds) % pattern != 0:
        raise ValueError(f"{len(seconds)} kernels in {calls} calls are not {pattern} for each")
    return [sum(seconds[i::pattern]) / max(1, len(seconds) // pattern) for i in range(pattern)]


@contextlib.contextmanager
def _silence(enabled: bool) -> Iterator[None]:
    """Discards all output, by file descriptor, since the profiler's library prints too."""
    if not enabled:
        yield
        return
    saved = [os.dup(number) for number in (1, 2)]
    nowhere = os.open(os.devnull, os.O_WRONLY)
    try:
        for number in (1, 2):
            os.dup2(nowhere, number)
        yield
    finally:
        for number, copy in zip((1, 2), saved):
            os.dup2(copy, number)
            os.close(copy)
        os.close(nowhere)
