"""Steps of a layer with other tokens, experts and counts in each, compared on the device. Needs a GPU.

    python Tests/Python/changing_routing.py --num-processes 2 --gpus 2 --steps 1000000

Each process is a rank. A CUDA graph draws tokens and routing, runs a step without overlap and one in each mode, and counts
on the device the steps whose outputs differ in a bit, and those without a result. Of the tokens some have no expert at
all, and how popular experts are changes from step to step. Graphs are replayed until all steps are done; an independent
reference for what both should give is ``swiftep run``."""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))
sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "Python"))

import torch
import torch.distributed as dist
from low_latency import spawn

MODES = ("single_batch", "direct")
#: Steps of a graph, and graphs between two reports.
STEPS, REPORTED = 20, 2000


class Steps:
    """A layer, and counts of steps that went wrong."""

    def __init__(self, group, rank, options):
        import swiftep

        self.options = options
        hidden, inner = options.hidden, options.intermediate
        local = options.num_experts // group.ranks
        generator = torch.Generator(device="cuda").manual_seed(100 + rank)

        def weights(rows, columns):
            values = torch.randn((local, rows, columns), device="cuda", dtype=torch.float32, generator=generator)
            blocks = (local, rows // 128, columns // 128)
            return values.to(torch.float8_e4m3fn), torch.full(blocks, 0.02, device="cuda", dtype=torch.float32)

        gate_up, down = weights(2 * inner, hidden), weights(hidden, inner)
        self.layer = swiftep.MoELayer(
            group, gate_up=gate_up[0], gate_up_scales=gate_up[1], down=down[0], down_scales=down[1],
            top_k=options.num_topk, max_tokens=options.num_tokens, wait_seconds=5.0)
        tokens = options.num_tokens

        def empty(*shape, dtype):
            return torch.zeros(shape, dtype=dtype, device="cuda")

        self.x = empty(tokens, hidden, dtype=torch.bfloat16)
        self.weights = empty(tokens, options.num_topk, dtype=torch.float32)
        self.outputs = [empty(tokens, hidden, dtype=torch.bfloat16) for _ in range(1 + len(MODES))]
        self.differing = empty(len(MODES), dtype=torch.int64)
        self.without = empty(1, dtype=torch.int64)
        #: Over all steps, of a number for each that depends on its routing.
        self.routings = empty(1, dtype=torch.float64)

    def run(self):
        """A step in each mode."""
        options = self.options
        self.x.normal_()
        self.weights.uniform_()
        scores = torch.rand((options.num_tokens, options.num_experts), device="cuda", dtype=torch.float32)
        popularity = torch.rand((options.num_experts,), device="cuda", dtype=torch.float32)
        indices = (scores + 2 * popularity).topk(options.num_topk, dim=-1).indices
        absent = torch.rand((options.num_tokens, 1), device="cuda", dtype=torch.float32) < 0.2
        indices = torch.where(absent, -1, indices).contiguous()
        for overlap, out in zip(("none", *MODES), self.outputs):
            self.layer.enqueue(self.x, indices, self.weights, overlap, out)
        plain = self.outputs[0].view(torch.int16)
        for place, out in enumerate(self.outputs[1:]):
            self.differing[place] += (out.view(torch.int16) != plain).any()
        results = self.outputs[0].float().abs().amax(dim=1)
        self.without += ((results > 0) == absent.view(-1)).any() | ~results.isfinite().all()
        self.routings += (scores[0, 0] + indices.sum() / 1e6).double()


def captured(steps):
    """Several of them as a CUDA graph."""
    stream = torch.cuda.Stream()
    stream.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(stream):
        for _ in range(2):
            steps.run()
    torch.cuda.synchronize()
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph, stream=stream):
        for _ in range(STEPS):
            steps.run()
    return graph


def process(local_rank, options):
    import swiftep

    torch.cuda.set_device(local_rank % options.gpus)
    dist.init_process_group("gloo", init_method="env://", world_size=options.num_processes, rank=local_rank)
    torch.manual_seed(local_rank)
    group = swiftep.Group.from_torch(device=f"cuda:{local_rank % options.gpus}")
    steps = Steps(group, local_rank, options)
    graph = captured(steps)
    begin, done, before = time.monotonic(), 0, None
    for number in range(-(-options.steps // STEPS)):
        graph.replay()
        done += STEPS
        # Nobody is so far ahead that a report of another is old.
        if number % REPORTED == REPORTED - 1:
            torch.cuda.synchronize()
            routings = steps.routings.item()
            assert routings != before, f"rank {local_rank}: the routing does not change"
            before = routings
            if local_rank == 0:
                print(f"{done:,} steps, {(time.monotonic() - begin) / done * 1e6:.1f} us each", flush=True)
    group.synchronize()
    wrong = dict(zip(MODES, steps.differing.tolist()), without=steps.without.item())
    print(f"rank {local_rank}: {done:,} steps in each mode; with other bits than none, or without a result: {wrong}", flush=True)
    dist.barrier()
    del graph
    steps.layer.close()
    group.close()
    dist.destroy_process_group()
    assert not any(wrong.values()), wrong


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--num-processes", type=int, default=2)
    parser.add_argument("--gpus", type=int, default=1, help="processes take them in turns")
    parser.add_argument("--num-tokens", type=int, default=16, help="of each rank")
    parser.add_argument("--hidden", type=int, default=1024)
    parser.add_argument("--intermediate", type=int, default=512)
    parser.add_argument("--num-experts", type=int, default=16)
    parser.add_argument("--num-topk", type=int, default=4)
    parser.add_argument("--steps", type=int, default=20_000)
    options = parser.parse_args()
    options.device = None
    if not torch.cuda.is_available():
        print("a GPU is needed", file=sys.stderr)
        return 2
    spawn(options, process)
    print("all held")
    return 0


if __name__ == "__main__":
    sys.exit(main())
