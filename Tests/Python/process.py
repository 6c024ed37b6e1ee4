"""One process of a group: joins as it is told, runs a layer in all modes, dispatch and combine, and saves the results.

``process.py pipe PROCESS PROCESSES RANKS FILE`` reads the identity from its input; process 0 prints it first.
``process.py torch RANKS FILE`` and ``process.py mpi RANKS FILE`` are started by torchrun and mpiexec.
"""

import os
import sys

import numpy as np
import swiftep
from inputs import Inputs, layer_weights
from swiftep._layer import OVERLAPS

SEED = 600
SIZES = {"top_k": 2, "max_tokens": 5}
LOCAL, HIDDEN, INTERMEDIATE = 2, 256, 128


def join(arguments):
    kind, *rest = arguments
    if kind == "pipe":
        process, processes, ranks = map(int, rest[:3])
        if process == 0:
            print(swiftep.Group.identify(processes), flush=True)
        identity = sys.stdin.readline().strip()
        return swiftep.Group.join(identity, process, processes, ranks, "simulator", seconds=30)
    if kind == "torch":
        import torch.distributed as distributed

        distributed.init_process_group("gloo")
        return swiftep.Group.from_torch(ranks=int(rest[0]), device="simulator", seconds=30)
    from mpi4py import MPI

    return swiftep.Group.from_mpi(MPI.COMM_WORLD, ranks=int(rest[0]), device="simulator", seconds=30)


def run(group):
    """What the ranks of this process get, by name."""
    experts = LOCAL * group.ranks
    inputs = Inputs(SEED, group.ranks, hidden=HIDDEN, experts=experts, **SIZES)
    weights, shared = layer_weights(SEED + 1, group.ranks, local=LOCAL, hidden=HIDDEN, intermediate=INTERMEDIATE)
    own = group._local()
    x, topk_idx, topk_weights = (
        [part[rank] for rank in own] for part in (inputs.x, inputs.topk_idx, inputs.topk_weights)
    )
    results = {}
    # Processes that share two cores take turns, and wait for each other longer than on machines of their own.
    options = {"shared": shared, "two_batch": True, "wait_seconds": 30.0, **SIZES}
    with group.layers(weights=[weights[rank] for rank in own], **options) as layers:
        for overlap in OVERLAPS:
            for rank, output in zip(own, layers.step(x, topk_idx, topk_weights, overlap)):
                results[f"{overlap} {rank}"] = output
        if len(own) == 1:
            results[f"call {own[0]}"] = layers[0](x[0], topk_idx[0], topk_weights[0])
    buffers = group.buffers(hidden=HIDDEN, experts=experts, format="bfloat16", wait_seconds=30.0, **SIZES)
    sent = [b.dispatch(t, i).receive() for b, t, i in zip(buffers, x, topk_idx)]
    group.synchronize()
    rows = [dispatch.rows.numpy() for dispatch in sent]
    outputs = [b.combine(d, r, i, w) for b, d, r, i, w in zip(buffers, sent, rows, topk_idx, topk_weights)]
    group.synchronize()
    for rank, dispatch, output in zip(own, sent, outputs):
        results[f"count {rank}"] = dispatch.received_count.numpy()
        results[f"combined {rank}"] = output
    group.barrier(30)
    for buffer in buffers:
        buffer.close()
    return results


def main():
    arguments = sys.argv[1:]
    with join(arguments) as group:
        results = run(group)
        np.savez(f"{arguments[-1]}.{group.process}.npz", **results)
    if arguments[0] == "torch":
        import torch.distributed as distributed

        distributed.destroy_process_group()


if __name__ == "__main__":
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    main()
