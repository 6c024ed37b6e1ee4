"""What callers get wrong is an exception that names the argument, what was given, and what to give."""

import numpy as np
import pytest
import swiftep
from inputs import Inputs, layer_weights

SHAPE = {"hidden": 256, "experts": 4, "top_k": 2, "max_tokens": 4}


@pytest.fixture(scope="module")
def device():
    with swiftep.Device() as opened:
        yield opened


@pytest.fixture(scope="module")
def group(device):
    with swiftep.Group.local(1, device) as made:
        yield made


@pytest.fixture(scope="module")
def buffer(group):
    return group.buffers(**SHAPE)[0]


@pytest.fixture(scope="module")
def given():
    inputs = Inputs(1, 1, **SHAPE)
    return {"x": inputs.x[0], "topk_idx": inputs.topk_idx[0]}


def odd(array):
    return np.asfortranarray(array)


def read_only(array):
    array = array.copy()
    array.flags.writeable = False
    return array


@pytest.mark.parametrize(
    "name, change, words",
    [
        ("x", lambda x: x.astype(np.float32), r"x is NumPy float32; give bfloat16 \(NumPy uint16 or bfloat16; torch"),
        ("x", lambda x: x.astype(">u2"), "x is NumPy uint16 of the other byte order"),
        ("x", odd, r"x is not contiguous; give numpy.ascontiguousarray\(x\)"),
        ("x", lambda x: x[:, ::2], r"x has shape \[4, 128\]; give \[tokens, 256\]|not contiguous"),
        ("x", lambda x: x[0], r"x has shape \[256\]; give \[tokens, 256\]"),
        ("x", lambda x: np.zeros((5, 256), np.uint16), "x has 5 tokens, and the buffer has room for 4"),
        ("x", lambda x: None, "x is a builtins.NoneType; give a NumPy array"),
        ("x", lambda x: x.tolist(), "x is a builtins.list"),
        ("topk_idx", lambda i: i.astype(np.int32), "topk_idx is NumPy int32; give int64"),
        ("topk_idx", lambda i: i[:2], r"topk_idx has shape \[2, 2\]; give \[4, 2\]"),
        ("topk_idx", lambda i: i[:, :1].copy(), r"topk_idx has shape \[4, 1\]; give \[4, 2\]"),
    ],
)
def test_arrays(buffer, given, name, change, words):
    with pytest.raises(swiftep.InvalidArgument, match=words) as wrong:
        buffer.dispatch(**{**given, name: change(given[name])})
    assert isinstance(wrong.value, ValueError) and wrong.value.code == 1


def test_outputs(buffer, given, device):
    dispatch = buffer.dispatch(**given).receive()
    weights = np.ones((4, 2), np.float32)
    rows = np.zeros((4, 4, 256), np.uint16)
    for out, words in (
        (read_only(given["x"]), "out is read-only"),
        (np.zeros(4 * 256 + 1, np.uint16)[1:].reshape(4, 256), "out is at 0x.*multiple of 16, or none"),
        (np.zeros((4, 256), np.float32), "out is NumPy float32"),
        (np.zeros((3, 256), np.uint16), r"out has shape \[3, 256\]; give \[4, 256\]"),
    ):
        with pytest.raises(swiftep.InvalidArgument, match=words):
            buffer.combine(dispatch, rows, given["topk_idx"], weights, out)
    device.synchronize()


@pytest.mark.parametrize(
    "change, words",
    [
        ({"hidden": 100}, "100"),
        ({"hidden": 12928}, "12[,.]?928"),
        ({"hidden": "big"}, "hidden is 'big'; give a whole number"),
        ({"hidden": -128}, "hidden is -128"),
        ({"experts": 0}, "0"),
        ({"top_k": 33}, "33"),
        ({"max_tokens": 5000}, "5[,.]?000"),
        ({"max_tokens": 2**40}, "max_tokens is 1,099,511,627,776; give a whole number from 0 to"),
        ({"format": "int8"}, "format is 'int8'; use one of 'bfloat16', 'float8'"),
        ({"scales": None}, "scales is None"),
        ({"block_m": 7}, "7"),
        ({"mask": 1}, "mask is 1; give True or False"),
        ({"wait_seconds": float("nan")}, "wait_seconds is nan"),
        ({"wait_seconds": -1}, "wait_seconds is -1"),
    ],
)
def test_configurations(group, change, words):
    with pytest.raises(swiftep.InvalidArgument, match=words):
        swiftep.Buffer(group, **{**SHAPE, **change})


def test_devices():
    for name, words in (("tpu", '"tpu".*simulator, cuda or cuda:N'), ("", "simulator"), (None, "name is None")):
        with pytest.raises(swiftep.InvalidArgument, match=words):
            swiftep.Device(name)
    with pytest.raises(swiftep.Error):
        swiftep.Device("cuda:99")


def test_ranks(device):
    with pytest.raises(swiftep.InvalidArgument, match="ranks is 0"):
        swiftep.Group.local(0, device)
    with pytest.raises(swiftep.InvalidArgument, match="device is 3; give"):
        swiftep.Group.local(1, 3)
    with swiftep.Group.local(2, device) as two:
        with pytest.raises(swiftep.InvalidArgument, match="rank is None; give a whole number from 0 to 1"):
            swiftep.Buffer(two, **SHAPE)
        with pytest.raises(swiftep.InvalidArgument, match="rank is 2"):
            swiftep.Buffer(two, 2, **SHAPE)
        alone = swiftep.Buffer(two, 0, **SHAPE)
        with pytest.raises(swiftep.OutOfOrder):
            alone.dispatch(np.zeros((1, 256), np.uint16), np.zeros((1, 2), np.int64))


def test_after_close(given):
    device = swiftep.Device()
    group = swiftep.Group.local(1, device)
    (buffer,) = group.buffers(**SHAPE)
    dispatch = buffer.dispatch(**given).receive()
    array = device.array(np.arange(4))
    stream = device.stream()
    device.synchronize()
    device.close()
    device.close()
    for use in (
        lambda: device.synchronize(),
        lambda: device.empty(4, "int32"),
        lambda: group.buffers(**SHAPE),
        lambda: group.synchronize(),
        lambda: group.barrier(),
        lambda: buffer.dispatch(**given),
        lambda: buffer.check(),
        lambda: dispatch.receive(),
        lambda: dispatch.rows.numpy(),
        lambda: array.numpy(),
        lambda: stream.synchronize(),
        lambda: buffer.__enter__(),
    ):
        with pytest.raises(swiftep.OutOfOrder, match="closed") as wrong:
            use()
        assert isinstance(wrong.value, RuntimeError) and wrong.value.code == 2
    for closed in (device, group, buffer, stream):
        assert not closed.is_open and "closed" in repr(closed)


def test_mixed_up(device, buffer, given):
    with swiftep.Device() as other, swiftep.Group.local(1, other) as elsewhere:
        with pytest.raises(swiftep.InvalidArgument, match="x is on"):
            buffer.dispatch(other.array(given["x"], "bfloat16"), given["topk_idx"])
        with pytest.raises(swiftep.InvalidArgument, match="stream is one of"):
            buffer.dispatch(**given, stream=other.stream())
        (twin,) = elsewhere.buffers(**SHAPE)
        dispatch = buffer.dispatch(**given).receive()
        with pytest.raises(swiftep.InvalidArgument, match="dispatch is one of"):
            twin.combine_send(dispatch, np.zeros((4, 4, 256), np.uint16))
        device.synchronize()
    with pytest.raises(swiftep.Error):
        buffer.dispatch(**given, stream=12345)


def test_layers(group):
    (weights,), shared = layer_weights(2, 1, local=2, hidden=256, intermediate=128)
    options = {"top_k": 2, "max_tokens": 4}
    parts = weights._asdict()
    for change, words in (
        ({"gate_up": np.ascontiguousarray(weights.gate_up[:, :200])}, "gate_up has 200 channels"),
        ({"gate_up": np.ascontiguousarray(weights.gate_up[:, :, :200])}, r"gate_up has shape \[2, 256, 200\]"),
        ({"down": weights.down[:1]}, r"down has shape \[1, 256, 128\]; give \[2, 256, 128\]"),
        ({"down_scales": weights.down_scales.astype(np.float64)}, "down_scales is NumPy float64; give float32"),
        ({"gate_up_scales": weights.gate_up_scales[:, :1]}, r"gate_up_scales has shape|not contiguous"),
        ({"experts": 3}, "experts are 3, and gate_up has 2 for each of 1 ranks"),
        ({"shared": shared[:3]}, "shared are a tuple"),
        ({"shared": (*shared[:2], shared.down[:128], shared.down_scales)}, "shared.down has shape"),
        ({"scales": "exponents"}, "scales is 'exponents'"),
        ({"shared_gate": True}, "shared_gate is True, and shared is None"),
        ({"shared_gate": "yes", "shared": shared}, "shared_gate is 'yes'"),
        ({"top_k": 3}, "3"),
    ):
        with pytest.raises(swiftep.InvalidArgument, match=words):
            swiftep.MoELayer(group, **{**options, **parts, **change})
    with swiftep.MoELayer(group, **parts, **options) as layer:
        inputs = Inputs(4, 1, **SHAPE)
        step = inputs.x[0], inputs.topk_idx[0] % 2, inputs.topk_weights[0]
        with pytest.raises(swiftep.InvalidArgument, match="overlap is 'triple'; use one of 'none'"):
            layer(*step, overlap="triple")
        with pytest.raises(swiftep.Error, match="two_batch|two.?[bB]atch"):
            layer(*step, overlap="two_batch")
        with pytest.raises(swiftep.InvalidArgument, match="topk_weights is NumPy float64"):
            layer(step[0], step[1], step[2].astype(np.float64))
        with pytest.raises(swiftep.InvalidArgument, match="shared_weights are given.*shared_gate=True"):
            layer(*step, shared_weights=inputs.shared_weights[0])
    with swiftep.MoELayer(group, **parts, **options, shared=shared, shared_gate=True) as layer:
        with pytest.raises(swiftep.InvalidArgument, match=r"shared_weights are None.*give float32 \[4\]"):
            layer(*step)
        with pytest.raises(swiftep.InvalidArgument, match="shared_weights is NumPy float64"):
            layer(*step, shared_weights=inputs.shared_weights[0].astype(np.float64))
        with pytest.raises(swiftep.InvalidArgument, match=r"shared_weights has shape \[3\]; give \[4\]"):
            layer(*step, shared_weights=inputs.shared_weights[0][:3])
        choices = np.tile(np.array([0, 1], np.int64), (4, 1))
        assert layer(step[0], choices, step[2], shared_weights=inputs.shared_weights[0]).any()


def test_device_arrays(device):
    with pytest.raises(swiftep.InvalidArgument, match="values are float64; convert it to one of"):
        device.array(np.zeros(3))
    with pytest.raises(swiftep.InvalidArgument, match="values are int32; give bfloat16"):
        device.array(np.zeros(3, np.int32), "bfloat16")
    with pytest.raises(swiftep.InvalidArgument, match="dtype is 'int7'"):
        device.empty(3, "int7")
    with pytest.raises(swiftep.InvalidArgument, match="shape"):
        device.empty((2**40, 2**40), "int32")
    with pytest.raises(swiftep.Error):
        device.empty(2**46, "int32")
    array = device.array(np.arange(6, dtype=np.int64).reshape(2, 3))
    assert (array.numpy() == np.arange(6).reshape(2, 3)).all() and array.nbytes == 48
    with pytest.raises(swiftep.InvalidArgument, match="values have shape"):
        array.write(np.zeros((3, 2), np.int64))
    with pytest.raises(swiftep.InvalidArgument, match="values are float32"):
        array.write(np.zeros((2, 3), np.float32))
    with pytest.raises(swiftep.OutOfOrder, match="simulator; take a copy"):
        array.__cuda_array_interface__  # noqa: B018
    array.write(np.ones((2, 3), np.int64))
    assert array.numpy().sum() == 6
    assert device.array(np.float32(3)).numpy().shape == () and device.zeros(0, "int32").numpy().shape == (0,)
    array.close()
    with pytest.raises(swiftep.OutOfOrder, match="closed"):
        array.numpy()
