"""Layers over NVSHMEM have the bits of loads and stores and of loopback, where processes share a GPU or have their own.

    torchrun --standalone --nproc-per-node 2 Tests/Python/nvshmem.py [RANKS]

Prints hashes of outputs by rank, and how much memory is free while layers are made and freed, one after the other."""

import hashlib
import os
import sys
from pathlib import Path

sys.path[:0] = [str(Path(__file__).resolve().parent), str(Path(__file__).resolve().parents[2] / "Python")]

import swiftep  # noqa: E402
import torch  # noqa: E402
import torch.distributed as dist  # noqa: E402
from inputs import Inputs, layer_weights  # noqa: E402
from swiftep._layer import OVERLAPS  # noqa: E402

SIZES, LOCAL = {"top_k": 3, "max_tokens": 512}, 4
DEVICE = torch.device("cuda", int(os.environ.get("LOCAL_RANK", 0)) % max(1, torch.cuda.device_count()))


def put(array):
    tensor = torch.from_numpy(array).to(DEVICE)
    return tensor.view(torch.bfloat16) if array.dtype == "uint16" else tensor


def make(ranks, own):
    """Inputs of this process's ranks, and arguments of their layers."""
    inputs = Inputs(700, ranks, hidden=4096, experts=LOCAL * ranks, **SIZES)
    weights, shared = layer_weights(701, ranks, local=LOCAL, hidden=4096, intermediate=256)
    given = [[put(parts[rank]) for rank in own] for parts in (inputs.x, inputs.topk_idx, inputs.topk_weights)]
    weights = [swiftep.LayerWeights(*map(put, weights[rank])) for rank in own]
    return given, {"weights": weights, "shared": swiftep.SharedExpert(*map(put, shared)), "two_batch": True, **SIZES}


def hashes(group, given, options, modes):
    """Hashes of outputs, by mode, of layers that are freed at the end; and what is free before that, in MiB."""
    with group.layers(**options) as layers:
        torch.cuda.synchronize()
        outputs = {mode: layers.step(*given, mode) for mode in modes}
        bits = {m: [o.view(torch.int16).cpu().numpy().tobytes() for o in outputs[m]] for m in modes}
        group.barrier()
        free = torch.cuda.mem_get_info(DEVICE)[0] >> 20
        group.barrier()
    return {m: [hashlib.sha256(b).hexdigest()[:12] for b in bits[m]] for m in modes}, free


def refusal(call):
    try:
        call()
    except swiftep.Error as wrong:
        return f"{type(wrong).__name__}: {wrong}"
    raise AssertionError("it was not refused")


def main():
    dist.init_process_group("gloo")
    torch.cuda.set_device(DEVICE)
    ranks, place = int(sys.argv[1]) if sys.argv[1:] else dist.get_world_size(), {"device": str(DEVICE)}
    wanted, given, options = None, None, None
    for transport in ("load_store", "loopback", "nvshmem"):
        with swiftep.Group.from_torch(ranks=ranks, transport=transport, **place) as group:
            given, options = (given, options) if options else make(ranks, group._local())
            found, free = hashes(group, given, options, OVERLAPS)
            print(f"process {group.process}: {transport}: {found}, {free} MiB free", flush=True)
            wanted = wanted or found
            assert found == wanted, f"{transport} has other bits than load_store"
            if transport == "nvshmem":
                later = [hashes(group, given, options, ["none"]) for _ in range(6)]
                print(f"process {group.process}: free with one layer after the other: {[m for _, m in later]} MiB")
                assert all(again == {"none": wanted["none"]} for again, _ in later), "other bits in memory used again"
                assert all(free - after < 256 for _, after in later), "memory is not used again"
                print("masks:", refusal(lambda: group.layers(mask=True, **options)))
                print("buffers:", refusal(lambda: group.buffers(hidden=4096, experts=LOCAL * ranks, **SIZES)))
    print("a second group:", refusal(lambda: swiftep.Group.from_torch(ranks=ranks, transport="nvshmem", **place)))
    dist.barrier()
    print(f"process {dist.get_rank()}: all right", flush=True)
    dist.destroy_process_group()


if __name__ == "__main__":
    main()
