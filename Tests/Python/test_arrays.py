"""Memory of callers on the simulator: adopted where it is, once, and only as long as it is there."""

import concurrent.futures
import gc
import sys

import numpy as np
import pytest
import swiftep
from inputs import Inputs, layer_weights

SIZES = {"top_k": 2, "max_tokens": 6}


@pytest.fixture(scope="module")
def made():
    inputs = Inputs(140, 1, hidden=256, experts=2, **SIZES)
    return inputs, *layer_weights(141, 1, local=2, hidden=256, intermediate=128)


@pytest.fixture
def layer(made):
    with swiftep.Group.local(1, "simulator") as group:
        yield swiftep.MoELayer(group, **made[1][0]._asdict(), shared=made[2], **SIZES)


def arguments(made):
    inputs = made[0]
    return inputs.x[0].copy(), inputs.topk_idx[0].copy(), inputs.topk_weights[0].copy()


def test_adoptions_end_with_their_arrays(made, layer):
    adoptions = layer.device._adoptions
    before = len(adoptions)
    given = arguments(made)
    for _ in range(3):
        out = layer(*given)
    assert len(adoptions) <= before + 4
    del given, out
    gc.collect()
    assert len(adoptions) == before
    for size in range(1, 7):
        x, topk_idx, topk_weights = arguments(made)
        layer(x[:size].copy(), topk_idx[:size].copy(), topk_weights[:size].copy())
    del x, topk_idx, topk_weights
    gc.collect()
    assert len(adoptions) == before


def test_views_of_one_array(made, layer):
    x, topk_idx, topk_weights = arguments(made)
    wanted = layer(x, topk_idx, topk_weights)
    adopted = len(layer.device._adoptions)
    for first in range(len(x)):
        part = slice(first, None)
        assert (layer(x[part], topk_idx[part], topk_weights[part]) == wanted[part]).all()
    assert len(layer.device._adoptions) == adopted


def test_arrays_that_overlap(made, layer):
    """Views of foreign memory, each of which begins and ends elsewhere."""
    x, topk_idx, topk_weights = arguments(made)
    wanted = layer(x, topk_idx, topk_weights)
    memory = bytearray(x.nbytes + 64)
    start = -np.frombuffer(memory, np.uint8).ctypes.data % 16
    memory[start : start + x.nbytes] = x.tobytes()
    for first in (3, 0, 2, 4):
        part = np.frombuffer(memory, np.uint16, x[first:].size, start + 512 * first).reshape(-1, 256)
        assert (layer(part, topk_idx[first:], topk_weights[first:]) == wanted[first:]).all()
    # At odd places too.
    odd = np.frombuffer(bytes(2) + x.tobytes(), np.uint16, x.size, 2).reshape(x.shape)
    assert (layer(odd, topk_idx, topk_weights) == wanted).all()


def test_arrays_stay_until_they_are_used(made):
    """What is enqueued keeps its arrays."""
    inputs, weights, shared = made
    with swiftep.Group.local(1, "simulator") as group:
        (layer,) = group.layers(weights=weights, shared=shared, **SIZES)
        wanted = layer(inputs.x[0], inputs.topk_idx[0], inputs.topk_weights[0])
        outputs = [layer.enqueue(*arguments(made)) for _ in range(4)]
        gc.collect()
        clutter = [np.full(inputs.x[0].shape, 0x7FFF, np.uint16) for _ in range(100)]
        group.synchronize()
        assert clutter and all((output == wanted).all() for output in outputs)


def test_tensors(made, layer):
    torch = pytest.importorskip("torch", reason="needs PyTorch")
    given = arguments(made)
    wanted = layer(*given)
    x = torch.from_numpy(given[0]).view(torch.bfloat16)
    topk_idx, topk_weights = map(torch.from_numpy, given[1:])
    out = layer(x, topk_idx, topk_weights)
    assert out.dtype == torch.bfloat16 and (out.view(torch.int16).numpy().view(np.uint16) == wanted).all()
    assert torch.equal(layer(x[2:], topk_idx[2:], topk_weights[2:]), out[2:])
    assert torch.equal(layer(x[:, ::1].clone(), topk_idx, topk_weights, out=torch.empty_like(out)), out)
    for wrong, words in (
        (x.float(), "x is torch.float32; give bfloat16"),
        (x.t().contiguous().t(), r"x is not contiguous; give x.contiguous\(\)"),
        (x.clone().requires_grad_(), r"x requires a gradient.*x.detach\(\)"),
        (x.to_sparse(), "x is not contiguous"),
        (x.to("meta"), "x is on meta"),
    ):
        with pytest.raises(swiftep.InvalidArgument, match=words):
            layer(wrong, topk_idx, topk_weights)
    with pytest.raises(swiftep.InvalidArgument, match="topk_idx is torch.int32; give int64"):
        layer(x, topk_idx.int(), topk_weights)
    before = len(layer.device._adoptions)
    layer(x.clone(), topk_idx, topk_weights)
    gc.collect()
    assert len(layer.device._adoptions) == before


def test_types_of_ml_dtypes(made, layer):
    ml_dtypes = pytest.importorskip("ml_dtypes", reason="needs ml_dtypes")
    x, topk_idx, topk_weights = arguments(made)
    out = layer(x.view(ml_dtypes.bfloat16), topk_idx, topk_weights)
    assert out.dtype == ml_dtypes.bfloat16 and (out.view(np.uint16) == layer(x, topk_idx, topk_weights)).all()
    codes = np.arange(0x7F, dtype=np.uint8)
    assert (swiftep.from_float8(codes) == codes.view(ml_dtypes.float8_e4m3fn).astype(np.float32)).all()
    assert (swiftep.from_bfloat16(x) == x.view(ml_dtypes.bfloat16).astype(np.float32)).all()
    assert layer.device.array(x.view(ml_dtypes.bfloat16)).dtype == "bfloat16"


def test_threads_with_one_device():
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    size = {"hidden": 512, "experts": 2, "top_k": 1, "max_tokens": 4, "format": "bfloat16"}

    def steps(buffer):
        for step in range(1, 16):
            # New arrays each time: nobody but the device keeps them until it has run.
            value = swiftep.to_bfloat16(np.full((2, 512), step, np.float32))
            choices, weights = np.zeros((2, 1), np.int64), np.ones((2, 1), np.float32)
            dispatch = buffer.dispatch(value.copy(), choices.copy()).receive()
            out = buffer.combine(dispatch, dispatch.rows, choices.copy(), weights.copy())
            buffer.group.synchronize()
            assert np.array_equal(out, value)

    try:
        with swiftep.Device() as device:
            groups = [swiftep.Group.local(1, device) for _ in range(3)]
            buffers = [group.buffers(**size)[0] for group in groups]
            with concurrent.futures.ThreadPoolExecutor(3) as threads:
                for done in [threads.submit(steps, buffer) for buffer in buffers]:
                    done.result()
    finally:
        sys.setswitchinterval(interval)
