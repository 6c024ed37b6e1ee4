"""Whole layers on the simulator against NumPy, in all modes."""

import numpy as np
import pytest
import swiftep
from inputs import Inputs, layer_weights
from swiftep import _reference
from swiftep._layer import OVERLAPS

SIZES = {"top_k": 2, "max_tokens": 6}


def make(ranks, seed, hidden=256, intermediate=128, local=2):
    inputs = Inputs(seed, ranks, hidden=hidden, experts=ranks * local, **SIZES)
    return inputs, *layer_weights(seed + 1, ranks, local=local, hidden=hidden, intermediate=intermediate)


@pytest.mark.parametrize("ranks, with_shared", [(1, True), (2, False), (4, True)])
def test_all_modes(ranks, with_shared):
    inputs, weights, shared = make(ranks, 50 + ranks)
    shared = shared if with_shared else None
    reference = _reference.layer(inputs.x, inputs.topk_idx, inputs.topk_weights, weights, shared)
    with swiftep.Group.local(ranks, "simulator") as group:
        layers = group.layers(weights=weights, shared=shared, two_batch=True, **SIZES)
        first = None
        for overlap in OVERLAPS:
            outputs = layers.step(inputs.x, inputs.topk_idx, inputs.topk_weights, overlap)
            error = _reference.relative_error(outputs, reference)
            assert error <= _reference.TOLERANCE, (overlap, error)
            first = first or outputs
            for rank, (a, b) in enumerate(zip(first, outputs)):
                assert (a == b).all(), (overlap, rank)


@pytest.mark.parametrize("ranks_per_node", [1, 2])
@pytest.mark.parametrize("transport", ["loopback", "network"])
def test_networks(transport, ranks_per_node):
    """Layers by a network have the bits of loads and stores, in all modes; and a group with one has no buffers."""
    inputs, weights, shared = make(4, 130)
    given = inputs.x, inputs.topk_idx, inputs.topk_weights
    made = {"weights": weights, "shared": shared, **SIZES}
    with swiftep.Group.local(4, "simulator") as group:
        expected = group.layers(**made).step(*given)
    with swiftep.Group.local(4, "simulator", transport=transport, ranks_per_node=ranks_per_node) as group:
        layers = group.layers(two_batch=True, **made)
        for overlap in OVERLAPS:
            for rank, (a, b) in enumerate(zip(layers.step(*given, overlap), expected)):
                assert (a == b).all(), (overlap, rank)
        with pytest.raises(swiftep.InvalidArgument, match="leave out the network"):
            group.buffers(hidden=256, experts=8, **SIZES)


def test_networks_that_there_are_not():
    with pytest.raises(swiftep.InvalidArgument, match="transport is 'pigeon'; use one of 'load_store'"):
        swiftep.Group.local(2, "simulator", transport="pigeon")
    with pytest.raises(swiftep.InvalidArgument, match="NVSHMEM moves memory of GPUs, and ranks run on simulated machine"):
        swiftep.Group.local(2, "simulator", transport="nvshmem")
    with pytest.raises(swiftep.InvalidArgument, match="ranks_per_node is 0; give a whole number from 1"):
        swiftep.Group.local(2, "simulator", transport="nvshmem", ranks_per_node=0)
    inputs, weights, shared = make(2, 131)
    with swiftep.Group.local(2, "simulator", transport="loopback", ranks_per_node=3) as group:
        with pytest.raises(swiftep.InvalidArgument, match="nodes of 3 ranks in a group of 2"):
            group.layers(weights=weights, shared=shared, **SIZES)


def test_padded_sizes():
    """Sizes that are no multiples of 128 give the bits of a layer whose weights and tokens are filled up with zeros."""
    hidden, intermediate, ranks, local = 208, 80, 2, 2
    inputs = Inputs(190, ranks, hidden=hidden, experts=ranks * local, **SIZES)
    random = np.random.default_rng(191)

    def matrices(count, *shape):
        """FP8 weights as they are, with their scales, and filled up."""
        padded = [(0, -size % 128) for size in shape]
        values = random.standard_normal((count, *shape), dtype=np.float32) * shape[-1] ** -0.5
        full, scales = swiftep.quantise_blocks(np.pad(values, [(0, 0), *padded]))
        return full[:, : shape[0], : shape[1]], scales, full

    def expert(count, kind):
        """Gate above up, and down, as they are and filled up."""
        gate, up = (matrices(count, intermediate, hidden) for _ in range(2))
        gate_up = [np.ascontiguousarray(np.concatenate(pair, axis=1)) for pair in zip(gate, up)]
        down = [np.ascontiguousarray(part) for part in matrices(count, hidden, intermediate)]
        own = [gate_up[0], gate_up[1], down[0], down[1]]
        full = [gate_up[2], gate_up[1], down[2], down[1]]
        if kind is swiftep.SharedExpert:
            own, full = ([part[0] for part in parts] for parts in (own, full))
        return kind(*own), kind(*full)

    weights = [expert(local, swiftep.LayerWeights) for _ in range(ranks)]
    shared = expert(1, swiftep.SharedExpert)
    x = [np.pad(part, [(0, 0), (0, -hidden % 128)]) for part in inputs.x]
    given = inputs.topk_idx, inputs.topk_weights
    with swiftep.Group.local(ranks, "simulator") as group:
        full = group.layers(weights=[pair[1] for pair in weights], shared=shared[1], **SIZES)
        expected = full.step(x, *given, "none")
        layers = group.layers(weights=[pair[0] for pair in weights], shared=shared[0], two_batch=True, **SIZES)
        assert layers[0].hidden == hidden and layers[0].intermediate == intermediate
        for overlap in OVERLAPS:
            for rank, (a, b) in enumerate(zip(layers.step(inputs.x, *given, overlap), expected)):
                assert (a == b[:, :hidden]).all(), (overlap, rank)
                assert a.any() or not len(a)
        gate_up, scales, down, down_scales = weights[0][0]
        for wrong, words in [
            ((gate_up[:, :-2], scales, down, down_scales), "158 channels, gate above up; give twice a multiple of 16"),
            ((gate_up[..., :200], scales, down, down_scales), "give weights whose sizes are multiples of 16"),
            ((gate_up, scales[:, :1], down, down_scales), r"gate_up_scales has shape \[2, 1, 2\]; give \[2, 2, 2\]"),
        ]:
            wrong = swiftep.LayerWeights(*(np.ascontiguousarray(part) for part in wrong))
            with pytest.raises(swiftep.InvalidArgument, match=words):
                group.layers(weights=[wrong] * ranks, **SIZES)


@pytest.mark.parametrize("ranks", [1, 3])
def test_shared_gate(ranks):
    """A shared expert that counts as much as each token says, in all modes; other weights give other results."""
    inputs, weights, shared = make(ranks, 110 + ranks)
    given = inputs.x, inputs.topk_idx, inputs.topk_weights
    reference = _reference.layer(*given, weights, shared, inputs.shared_weights)
    ungated = _reference.layer(*given, weights, shared)
    assert _reference.relative_error([swiftep.to_bfloat16(r) for r in reference], ungated) > 0.1
    with swiftep.Group.local(ranks, "simulator") as group:
        layers = group.layers(weights=weights, shared=shared, shared_gate=True, two_batch=True, **SIZES)
        assert layers[0].shared_gate and "with a gate" in repr(layers[0])
        first = None
        for overlap in OVERLAPS:
            outputs = layers.step(*given, overlap, shared_weights=inputs.shared_weights)
            error = _reference.relative_error(outputs, reference)
            assert error <= _reference.TOLERANCE, (overlap, error)
            first = first or outputs
            for rank, (a, b) in enumerate(zip(first, outputs)):
                assert (a == b).all(), (overlap, rank)
        ones = [np.ones_like(part) for part in inputs.shared_weights]
        plain = group.layers(weights=weights, shared=shared, **SIZES).step(*given)
        for a, b in zip(layers.step(*given, shared_weights=ones), plain):
            assert (a == b).all()
        if ranks == 1:
            own = [part[0] for part in given]
            out = layers[0](*own, shared_weights=inputs.shared_weights[0])
            assert (out == first[0]).all()
            empty = layers[0](*(part[:0] for part in own), shared_weights=inputs.shared_weights[0][:0])
            assert empty.shape == (0, 256)


def test_the_reference_notices():
    """Other weights are beyond the tolerance, so that the comparison means something."""
    inputs, weights, shared = make(2, 60)
    right = _reference.layer(inputs.x, inputs.topk_idx, inputs.topk_weights, weights, shared)
    weights[0].down_scales[0, 0, 0] *= 1.1
    wrong = _reference.layer(inputs.x, inputs.topk_idx, inputs.topk_weights, weights, shared)
    assert _reference.relative_error([swiftep.to_bfloat16(r) for r in right], wrong) > _reference.TOLERANCE


@pytest.mark.parametrize(
    "swiglu",
    [
        {"swiglu_limit": 0.5},
        {"swiglu_limit": 0.4, "swiglu_shared_limit": 1.5, "swiglu_clamp": "silu"},
        {"swiglu_limit": 0.7, "swiglu_shared_limit": None},
        {"swiglu_limit": 0.8, "swiglu_alpha": 1.702, "swiglu_offset": 1},
    ],
)
def test_clamped_swiglu(swiglu):
    inputs, weights, shared = make(2, 110)
    references = [
        _reference.layer(inputs.x, inputs.topk_idx, inputs.topk_weights, weights, shared, **options)
        for options in ({}, swiglu)
    ]
    with swiftep.Group.local(2, "simulator") as group:
        layers = group.layers(weights=weights, shared=shared, **swiglu, **SIZES)
        outputs = layers.step(inputs.x, inputs.topk_idx, inputs.topk_weights)
    plain, clamped = (_reference.relative_error(outputs, reference) for reference in references)
    assert clamped <= _reference.TOLERANCE
    assert plain > 10 * _reference.TOLERANCE, "nothing was clamped"


@pytest.mark.parametrize(
    "swiglu, message",
    [
        ({"swiglu_limit": 0}, "swiglu_limit is 0; give a number of at least"),
        ({"swiglu_limit": float("inf")}, "swiglu_limit is inf"),
        ({"swiglu_limit": 1e300}, "swiglu_limit"),
        ({"swiglu_shared_limit": -3}, "swiglu_shared_limit is -3"),
        ({"swiglu_shared_limit": "none"}, "give a number, None or 'same'"),
        ({"swiglu_clamp": "up"}, "swiglu_clamp is 'up'; use one of 'gate', 'silu'"),
        ({"swiglu_alpha": 0}, "swiglu_alpha is 0"),
        ({"swiglu_offset": float("nan")}, "swiglu_offset is nan"),
        ({"swiglu_offset": 1e300}, "swiglu_offset"),
    ],
)
def test_swiglu_out_of_range(swiglu, message):
    _, weights, shared = make(1, 120)
    with swiftep.Group.local(1, "simulator") as group:
        with pytest.raises(swiftep.InvalidArgument, match=message):
            swiftep.MoELayer(group, **weights[0]._asdict(), shared=shared, **SIZES, **swiglu)


def test_the_l2_can_be_left_alone():
    """Only times differ."""
    inputs, weights, _ = make(2, 65)
    outputs = []
    for aside in (True, False):
        with swiftep.Group.local(2, "simulator") as group:
            layers = group.layers(weights=weights, set_l2_aside=aside, **SIZES)
            outputs.append(layers.step(inputs.x, inputs.topk_idx, inputs.topk_weights, "direct"))
    for a, b in zip(*outputs):
        assert (a == b).all() and a.any()
    with swiftep.Group.local(2, "simulator") as group:
        with pytest.raises(swiftep.InvalidArgument, match="set_l2_aside is 2; give True or False"):
            group.layers(weights=weights, set_l2_aside=2, **SIZES)


def test_one_rank_runs_by_itself():
    inputs, weights, _ = make(1, 70)
    with swiftep.Group.local(1, "simulator") as group:
        layer = swiftep.MoELayer(group, **weights[0]._asdict(), experts=2, **SIZES)
        assert (layer.hidden, layer.intermediate, layer.experts, layer.local_experts) == (256, 128, 2, 2)
        out = np.zeros_like(inputs.x[0])
        arguments = inputs.x[0], inputs.topk_idx[0], inputs.topk_weights[0]
        assert layer(*arguments, out=out) is out and out.any()
        # Arrays at odd places are copied, and adopted ones used again.
        shifted = np.empty(inputs.x[0].size + 1, np.uint16)[1:].reshape(inputs.x[0].shape)
        shifted[:] = inputs.x[0]
        adopted = len(group.device._adoptions)
        for _ in range(3):
            assert (layer(shifted, *arguments[1:], out=out) == layer(*arguments)).all()
        assert len(group.device._adoptions) <= adopted + 1
        assert (layer(inputs.x[0][:2], inputs.topk_idx[0][:2], inputs.topk_weights[0][:2]) == out[:2]).all()
        assert layer(*(part[:0] for part in arguments)).shape == (0, 256)


def test_several_ranks_need_a_step():
    inputs, weights, _ = make(2, 80)
    with swiftep.Group.local(2, "simulator") as group:
        layers = group.layers(weights=weights, **SIZES)
        arguments = list(zip(inputs.x, inputs.topk_idx, inputs.topk_weights))
        with pytest.raises(swiftep.OutOfOrder, match="LocalLayers.step"):
            layers[0](*arguments[0])
        outputs = [layer.enqueue(*parts) for layer, parts in zip(layers, arguments)]
        group.synchronize()
        stepped = layers.step(inputs.x, inputs.topk_idx, inputs.topk_weights)
        for a, b in zip(outputs, stepped):
            assert (a == b).all()
        # A wrong argument of the last rank leaves nothing enqueued.
        with pytest.raises(swiftep.InvalidArgument, match="x has shape"):
            layers.step([inputs.x[0], inputs.x[1][:, :128].copy()], inputs.topk_idx, inputs.topk_weights)
        for a, b in zip(layers.step(inputs.x, inputs.topk_idx, inputs.topk_weights), stepped):
            assert (a == b).all()


def test_masks():
    inputs, weights, _ = make(2, 90)
    with swiftep.Group.local(2, "simulator") as group:
        layers = group.layers(weights=weights, mask=True, **SIZES)
        layers[0].mask(1)
        status = [np.full(2, 9, np.int32) for _ in layers]
        for layer, into in zip(layers, status):
            layer.masks(into)
        group.synchronize()
        assert [s.tolist() for s in status] == [[0, 1], [0, 0]]
        layers[0].mask(1, False)
        layers[0].masks(status[0])
        group.synchronize()
        assert status[0].tolist() == [0, 0]


def test_device_arrays():
    """The same step from memory of the device, as it is made on a GPU."""
    inputs, weights, shared = make(2, 100)
    with swiftep.Device() as device, swiftep.Group.local(2, device) as group:
        wanted = group.layers(weights=weights, shared=shared, **SIZES).step(
            inputs.x, inputs.topk_idx, inputs.topk_weights
        )

        def put(part):
            names = {"uint8": "float8_e4m3fn", "uint16": "bfloat16"}
            return device.array(part, names.get(part.dtype.name))

        own = [swiftep.LayerWeights(*map(put, parts)) for parts in weights]
        layers = swiftep.LocalLayers(group, own, list(map(put, shared)), **SIZES)
        given = [[put(part) for part in parts] for parts in (inputs.x, inputs.topk_idx, inputs.topk_weights)]
        for output, want in zip(layers.step(*given), wanted):
            assert isinstance(output, swiftep.DeviceArray) and output.dtype == "bfloat16"
            assert (output.numpy() == want).all()
