"""What a call costs the processor: medians of eager calls of one rank, microseconds.

    python Tests/Python/overhead.py

On a GPU, calls only launch kernels, and the queue is drained between batches of calls, so that a full queue is not
measured. On the simulator (``SWIFTEP_DEVICE=simulator``) calls run kernels, and the numbers say nothing."""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "Python"))

import torch

BATCH = 20


class Alone:
    """An ``mpi4py`` communicator of one rank."""

    def Get_rank(self):
        return 0

    def Get_size(self):
        return 1

    def allgather(self, value):
        return [value]


class Stopwatch:
    """Medians by name."""

    def __init__(self):
        self.times = {}

    def __call__(self, name, function, *arguments, **named):
        begin = time.perf_counter_ns()
        result = function(*arguments, **named)
        self.times.setdefault(name, []).append(time.perf_counter_ns() - begin)
        return result

    def report(self):
        print(f"{'call':<40}{'median us':>12}{'90 % us':>12}{'calls':>8}")
        for name, times in self.times.items():
            times = sorted(times)
            median, most = times[len(times) // 2], times[len(times) * 9 // 10]
            print(f"{name:<40}{median / 1e3:>12.2f}{most / 1e3:>12.2f}{len(times):>8}")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--calls", type=int, default=400)
    parser.add_argument("--hidden", type=int, default=1024)
    options = parser.parse_args()
    from swiftep import deep_ep, deep_gemm
    from swiftep._torch import devices
    from swiftep.deep_gemm.utils.math import per_block_cast_to_fp8

    device = devices.default()
    on, hidden, tokens, experts = device.torch_device, options.hidden, 16, 8
    calls = 2 if device.simulated else options.calls
    buffer = deep_ep.Buffer(None, comm=Alone(), low_latency_mode=True)
    x = torch.randn((tokens, hidden), dtype=torch.float32, device=on).to(torch.bfloat16)
    indices = torch.rand((tokens, experts), dtype=torch.float32, device=on).topk(4).indices
    weights = torch.rand((tokens, 4), dtype=torch.float32, device=on)
    weight, scales = per_block_cast_to_fp8(torch.randn((experts, hidden, hidden), dtype=torch.float32, device=on))
    rows = torch.empty((experts, tokens, hidden), dtype=torch.bfloat16, device=on)
    out = torch.empty((tokens, hidden), dtype=torch.bfloat16, device=on)
    signals = torch.zeros(experts, dtype=torch.int32, device=on)
    stopwatch = Stopwatch()

    def step(measure, hook_mode, overlap):
        mode = "hook" if hook_mode else "no hook"
        recv_x, count, handle, _, hook = measure(
            f"dispatch, {mode}",
            buffer.low_latency_dispatch,
            x,
            indices,
            tokens,
            experts,
            return_recv_hook=hook_mode,
        )
        if hook_mode:
            measure("dispatch hook()", hook)
        name = "GEMM, signals" if overlap else "GEMM"
        block_m, threshold = measure(
            name,
            deep_gemm.m_grouped_fp8_gemm_nt_masked,
            recv_x,
            (weight, scales),
            rows,
            count,
            8,
            enable_overlap=overlap,
            signal=signals if overlap else None,
        )
        beside = {}
        if overlap:
            beside = {"overlap": True, "comp_signal": signals, "threshold": threshold, "num_sms": 3}
        _, _, hook = measure(
            f"combine, {mode}{', overlap' if overlap else ''}",
            buffer.low_latency_combine,
            rows,
            indices,
            weights,
            handle,
            return_recv_hook=hook_mode,
            out=out,
            **beside,
        )
        if hook_mode:
            measure("combine hook()", hook)

    def unmeasured(name, function, *arguments, **named):
        return function(*arguments, **named)

    for hook_mode, overlap in ((True, False), (True, True), (False, False)):
        step(unmeasured, hook_mode, overlap)
        for number in range(calls):
            if number % BATCH == 0:
                device.synchronize()
            signals.zero_()
            step(stopwatch, hook_mode, overlap)
    buffer.check()
    name = torch.cuda.get_device_name(on) if on.type == "cuda" else "simulator: no measurement"
    print(f"{name}, PyTorch {torch.__version__}, Python {sys.version.split()[0]}")
    stopwatch.report()
    buffer.destroy()
    return 0


if __name__ == "__main__":
    sys.exit(main())
