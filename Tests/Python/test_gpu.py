"""The package on a GPU, with PyTorch's tensors and streams."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from inputs import Inputs, layer_weights

torch = pytest.importorskip("torch", reason="needs PyTorch")

import swiftep  # noqa: E402
from swiftep import _reference  # noqa: E402
from swiftep._layer import OVERLAPS  # noqa: E402

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU that PyTorch sees"),
]

SHAPE = {"hidden": 512, "experts": 8, "top_k": 3, "max_tokens": 16}
SIZES = {"top_k": 3, "max_tokens": 16}


def put(array):
    tensor = torch.from_numpy(np.ascontiguousarray(array)).cuda()
    return tensor.view(torch.bfloat16) if array.dtype == np.uint16 else tensor


def taken(tensor):
    return tensor.view(torch.int16).cpu().numpy().view(np.uint16)


def make(ranks, seed):
    local = SHAPE["experts"] // ranks
    inputs = Inputs(seed, ranks, **SHAPE)
    weights, shared = layer_weights(seed + 1, ranks, local=local, hidden=SHAPE["hidden"], intermediate=256)
    reference = _reference.layer(inputs.x, inputs.topk_idx, inputs.topk_weights, weights, shared)
    weights = [swiftep.LayerWeights(*map(put, parts)) for parts in weights]
    lists = [[put(part) for part in parts] for parts in (inputs.x, inputs.topk_idx, inputs.topk_weights)]
    return lists, weights, swiftep.SharedExpert(*map(put, shared)), reference


def test_demo():
    swiftep.demo("cuda")


@pytest.mark.parametrize("ranks", [1, 2, 4])
def test_layers(ranks):
    lists, weights, shared, reference = make(ranks, 900 + ranks)
    with swiftep.Group.local(ranks, "cuda") as group:
        layers = group.layers(weights=weights, shared=shared, two_batch=True, **SIZES)
        torch.cuda.synchronize()
        first = None
        for overlap in OVERLAPS:
            outputs = layers.step(*lists, overlap)
            assert outputs[0].is_cuda and outputs[0].dtype == torch.bfloat16
            error = _reference.relative_error([taken(output) for output in outputs], reference)
            assert error <= _reference.GPU_TOLERANCE, (overlap, error)
            first = first or outputs
            assert all(torch.equal(a, b) for a, b in zip(first, outputs)), overlap


def test_streams_and_graphs():
    """A call goes to PyTorch's current stream, and a step to its graph."""
    lists, weights, shared, _ = make(1, 910)
    arguments = [parts[0] for parts in lists]
    with swiftep.Group.local(1) as group:
        assert not group.device.is_simulator
        layer = swiftep.MoELayer(group, **weights[0]._asdict(), shared=shared, **SIZES)
        wanted = layer(*arguments)
        x, out = torch.zeros_like(arguments[0]), torch.empty_like(wanted)
        side = torch.cuda.Stream()
        with torch.cuda.stream(side):
            x.copy_(arguments[0])
            assert torch.equal(layer(x, *arguments[1:]), wanted)
        side.synchronize()
        x.zero_()
        torch.cuda.synchronize()
        layer(x, *arguments[1:], out=out, stream=side)
        side.synchronize()
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph, stream=side):
            layer(x, *arguments[1:], out=out)
        for _ in range(3):
            x.copy_(arguments[0])
            out.zero_()
            graph.replay()
            assert torch.equal(out, wanted)
        torch.cuda.synchronize()
        layer.check()
        del graph


def test_nvshmem(environment):
    """Two processes, of which each has a rank, or two."""
    if not any((Path(path) / "nvidia" / "nvshmem" / "include").is_dir() for path in sys.path):
        pytest.skip("needs NVSHMEM in Python's packages")
    script = str(Path(__file__).resolve().parent / "nvshmem.py")
    for ranks in ("2", "4"):
        command = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2", script, ranks]
        run = subprocess.run([sys.executable, *command], capture_output=True, text=True, timeout=300, env=environment)
        assert run.returncode == 0 and run.stdout.count("all right") == 2, run.stdout + run.stderr[-4000:]


def test_buffers():
    (x, topk_idx, topk_weights), *_ = make(1, 920)
    x, topk_idx, topk_weights = x[0], topk_idx[0], topk_weights[0]
    with swiftep.Group.local(1, "cuda") as group:
        (buffer,) = group.buffers(**SHAPE, format="bfloat16")
        dispatch = buffer.dispatch(x, topk_idx).receive()
        rows, counts, source = dispatch.rows.torch(), dispatch.received_count.torch(), dispatch.source_info.torch()
        assert rows.data_ptr() == dispatch.rows.address and rows.dtype == torch.bfloat16
        torch.cuda.synchronize()
        for expert in range(SHAPE["experts"]):
            tokens = (topk_idx == expert).any(dim=1).nonzero().ravel()
            assert int(counts[expert]) == len(tokens)
            assert torch.equal(source[expert, : len(tokens)], tokens)
            assert torch.equal(rows[expert, : len(tokens)], x[tokens])
        dispatch.expert_output.torch().copy_(rows)
        out = buffer.combine(dispatch, dispatch.expert_output, topk_idx, topk_weights)
        total = torch.where(topk_idx >= 0, topk_weights, 0).sum(dim=1, keepdim=True) * x.float()
        assert torch.allclose(out.float(), total, rtol=2**-7, atol=1e-6)
        buffer.check()
        for wrong in (x.cpu(), taken(x), x.float(), x[:, ::2]):
            with pytest.raises(swiftep.InvalidArgument, match="x "):
                buffer.dispatch(wrong, topk_idx)


def test_in_place():
    random = np.random.default_rng(930)
    values, scales = map(put, swiftep.quantise_blocks(random.standard_normal((2, 256, 512))))
    rows = torch.randn(2, 32, 512, device="cuda").to(torch.float8_e4m3fn)
    row_scales = torch.rand(2, 4, 128, device="cuda") + 0.5
    counts = torch.tensor([32, 7], dtype=torch.int32, device="cuda")
    with swiftep.Device("cuda") as device:
        plain = swiftep.GroupedGEMM(swiftep.PackedWeights(device, values, scales), max_rows=32)(
            rows, row_scales, counts
        )
        packed = swiftep.PackedWeights(device, values, scales, in_place=True)
        placed = swiftep.GroupedGEMM(packed, max_rows=32)(rows, row_scales, counts)
        torch.cuda.synchronize()
        assert torch.equal(plain[0], placed[0]) and torch.equal(plain[1, :7], placed[1, :7])
        assert plain[0].abs().sum() > 0
