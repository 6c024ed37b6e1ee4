# ruff: noqa: E402 - nothing is imported where PyTorch is missing
"""Experts of transformers models on a layer: what reaches it, what is refused, and models from end to end."""

import copy
import json
from types import SimpleNamespace

import pytest

torch = pytest.importorskip("torch", reason="transformers' models are PyTorch's")
pytest.importorskip("transformers", minversion="5.0", reason="experts implementations came with transformers 5")

import deepseek_shaped as shaped
import engines
import swiftep.transformers
from swiftep import InvalidArgument
from swiftep.transformers import _layers, _ranks

pytestmark = pytest.mark.torch

NAME = "swiftep"


@pytest.fixture(autouse=True)
def registries():
    """Both registries as they were."""
    from transformers.integrations.finegrained_fp8 import FP8ExpertsInterface
    from transformers.integrations.moe import ExpertsInterface

    mappings = [interface._global_mapping for interface in (ExpertsInterface, FP8ExpertsInterface)]
    before = [dict(mapping) for mapping in mappings]
    yield mappings
    for mapping, kept in zip(mappings, before):
        mapping.clear()
        mapping.update(kept)


@pytest.fixture
def layers(monkeypatch):
    """Layers in PyTorch in place of ours; the list of those that were made."""
    monkeypatch.setattr(_layers, "MoELayer", engines.TorchLayer)
    monkeypatch.setattr(_ranks, "Device", lambda name: SimpleNamespace(name=name))
    monkeypatch.setattr(_ranks, "Group", SimpleNamespace(local=lambda ranks, device: (ranks, device.name)))
    monkeypatch.setattr(_ranks, "_made", {})
    monkeypatch.setattr(engines.TorchLayer, "made", [])
    return engines.TorchLayer.made


@pytest.fixture(scope="module")
def made_once():
    with torch.no_grad():
        return shaped.fp8_model(shaped.Shape.tiny(), seed=5)


@pytest.fixture
def model(made_once):
    return copy.deepcopy(made_once)


def prompts(batch=2, length=3, seed=1):
    return torch.randint(512, (batch, length), generator=torch.Generator().manual_seed(seed))


# Registration


def test_both_registries_have_the_name(registries):
    settings = swiftep.transformers.register(max_tokens=16)
    assert all(mapping[NAME].swiftep_settings == settings for mapping in registries)
    swiftep.transformers.register(max_tokens=32)  # Again, with other settings.
    assert registries[0][NAME].swiftep_settings.max_tokens == 32


@pytest.mark.parametrize("taken", ["eager", "grouped_mm", "deepgemm"])
def test_names_of_transformers_are_refused(taken):
    with pytest.raises(InvalidArgument, match=f"'{taken}' is an experts implementation of transformers"):
        swiftep.transformers.register(taken)


@pytest.mark.parametrize(
    "settings, message",
    [
        (dict(overlap="both"), "overlap is 'both' and must be one of none, single_batch, two_batch, direct"),
        (dict(max_tokens=0), "max_tokens is 0"),
        (dict(max_tokens=5000), "max_tokens is 5000"),
        (dict(wait_seconds=0), "wait_seconds is 0"),
        (dict(wait_seconds=float("nan")), "wait_seconds is nan"),
        (dict(wait_seconds=float("inf")), "wait_seconds is inf"),
        (dict(overlap="two_batch", two_batch=False), "two_batch=True"),
    ],
)
def test_settings_out_of_range_are_refused(settings, message):
    with pytest.raises(InvalidArgument, match=message):
        swiftep.transformers.register(**settings)


# Steps


def test_one_layer_for_each_module_with_its_own_weights(model, layers):
    swiftep.transformers.register()
    model.set_experts_implementation(NAME)
    with torch.no_grad():
        model(prompts())
        model(prompts())
    assert len(layers) == 2
    for layer, made in zip(model.model.layers, layers):
        assert made.values.data_ptr() == layer.mlp.experts.gate_up_proj.data_ptr()
        assert (made.top_k, made.max_tokens, made.scales, made.group) == (2, 128, "float32", (1, "simulator"))
        assert made.steps == [(6, "single_batch")] * 2


def test_logits_are_those_of_pytorch_with_the_same_rounding(model, layers):
    swiftep.transformers.register()
    shaped.register_references()
    with torch.no_grad():
        model.set_experts_implementation(NAME)
        ours = model(prompts()).logits
        model.set_experts_implementation(shaped.EMULATED)
        assert torch.equal(ours, model(prompts()).logits)
        exact = shaped.dequantised(model, torch.float32)(prompts()).logits
    assert 0 < engines.relative_error(ours, exact) < 0.1


def test_more_tokens_than_a_step_has_run_in_several(model, layers):
    swiftep.transformers.register(max_tokens=4)
    model.set_experts_implementation(NAME)
    with torch.no_grad():
        several = model(prompts(2, 5)).logits
    assert [made.steps for made in layers] == [[(4, "single_batch"), (4, "single_batch"), (2, "single_batch")]] * 2
    swiftep.transformers.register(max_tokens=16)
    with torch.no_grad():
        at_once = model(prompts(2, 5)).logits
    assert torch.equal(several, at_once)
    assert [made.closed for made in layers] == [True, True, False, False]


def test_the_overlap_of_a_model_is_chosen(model, layers):
    swiftep.transformers.register(overlap="none", two_batch=True)
    with pytest.raises(InvalidArgument, match="has no experts on swiftep"):
        swiftep.transformers.set_overlap(model, "direct")
    model.set_experts_implementation(NAME)
    with torch.no_grad():
        model(prompts())
        assert swiftep.transformers.set_overlap(model, "direct") == 2
        model(prompts())
        swiftep.transformers.set_overlap(model, "two_batch")
        model(prompts())
    assert [made.steps for made in layers] == [[(6, "none"), (6, "direct"), (6, "two_batch")]] * 2
    with pytest.raises(InvalidArgument, match="overlap is 'all'"):
        swiftep.transformers.set_overlap(model, "all")


def test_two_batch_needs_its_memory(model, layers):
    swiftep.transformers.register()
    model.set_experts_implementation(NAME)
    with pytest.raises(InvalidArgument, match="pass two_batch=True to register"):
        swiftep.transformers.set_overlap(model, "two_batch")


def test_sentinels_select_nothing(model, layers):
    swiftep.transformers.register()
    model.set_experts_implementation(NAME)
    experts = model.model.layers[0].mlp.experts
    x = torch.randn(3, 256, generator=torch.Generator().manual_seed(2)).bfloat16()
    index = torch.tensor([[0, 8], [8, 8], [3, 1]])
    weights = torch.tensor([[0.5, 0.7], [0.3, 0.4], [1.0, 2.0]])
    with torch.no_grad():
        found = experts(x, index, weights)
        assert torch.equal(found, shaped.reference(experts, x, index, weights, True))
    assert not found[1].any() and found[0].any()


def test_a_step_without_tokens(model, layers):
    swiftep.transformers.register()
    model.set_experts_implementation(NAME)
    experts = model.model.layers[0].mlp.experts
    none = experts(torch.empty(0, 256, dtype=torch.bfloat16), torch.empty(0, 2, dtype=torch.int64), torch.empty(0, 2))
    assert none.shape == (0, 256) and none.dtype == torch.bfloat16


def test_new_weights_make_a_new_layer(model, layers):
    swiftep.transformers.register()
    model.set_experts_implementation(NAME)
    experts = model.model.layers[0].mlp.experts
    x, index, weights = torch.ones(1, 256).bfloat16(), torch.tensor([[0, 1]]), torch.ones(1, 2)
    with torch.no_grad():
        before = experts(x, index, weights)
        shaped.fill_experts(experts, torch.Generator().manual_seed(99))
        after = experts(x, index, weights)
    assert len(layers) == 2 and layers[0].closed and not torch.equal(before, after)


@pytest.mark.parametrize("name", ["gate_up_proj_scale_inv", "down_proj_scale_inv"])
def test_new_scales_make_a_new_layer(model, layers, name):
    swiftep.transformers.register()
    model.set_experts_implementation(NAME)
    experts = model.model.layers[0].mlp.experts
    x, index, weights = torch.ones(1, 256).bfloat16(), torch.tensor([[0, 1]]), torch.ones(1, 2)
    scales = getattr(experts, name)
    with torch.no_grad():
        outputs = [experts(x, index, weights)]
        scales.mul_(0.5)
        outputs.append(experts(x, index, weights))
        # Another tensor of the same numbers, as after loading a model.
        setattr(experts, name, torch.nn.Parameter(scales.clone(), requires_grad=False))
        outputs.append(experts(x, index, weights))
    assert len(layers) == 3 and not torch.equal(outputs[0], outputs[1]) and torch.equal(outputs[1], outputs[2])


def test_a_copy_of_a_model_has_layers_of_its_own(model, layers):
    swiftep.transformers.register()
    model.set_experts_implementation(NAME)
    with torch.no_grad():
        first = model(prompts()).logits
        assert torch.equal(copy.deepcopy(model)(prompts()).logits, first)
    assert len(layers) == 4


def test_gradients_are_refused_only_when_they_are_asked_for(model, layers):
    swiftep.transformers.register()
    model.set_experts_implementation(NAME)
    model.model.embed_tokens.weight.requires_grad_(True)
    logits = model(prompts()).logits
    with pytest.raises(InvalidArgument, match="computes no gradients"):
        logits.sum().backward()


def test_a_model_that_is_compiled_as_a_whole(model, layers):
    swiftep.transformers.register(max_tokens=4)
    model.set_experts_implementation(NAME)
    compiled = torch.compile(model, backend="eager", fullgraph=True)
    with torch.no_grad():
        with pytest.raises(Exception, match="run the model once before torch.compile"):
            compiled(prompts(), use_cache=False)
        plain = model(prompts(), use_cache=False).logits
        assert torch.equal(compiled(prompts(), use_cache=False).logits, plain)
        swiftep.transformers.set_overlap(model, "direct")
        assert torch.equal(compiled(prompts(), use_cache=False).logits, plain)
    assert [made.steps[-1] for made in layers] == [(2, "direct")] * 2


# Weights that are not FP8


def test_bf16_weights_are_refused_unless_they_may_be_quantised(made_once, layers):
    with torch.no_grad():
        model = shaped.dequantised(made_once, torch.bfloat16)
        swiftep.transformers.register()
        model.set_experts_implementation(NAME)
        with pytest.raises(InvalidArgument, match=r"register\(quantise=True\)"):
            model(prompts())
        swiftep.transformers.register(quantise=True)
        with pytest.warns(UserWarning, match="swiftep quantises weights of torch.bfloat16"):
            ours = model(prompts()).logits
        model.set_experts_implementation("eager")
        assert engines.relative_error(ours, model(prompts()).logits) < 0.1
    assert layers[0].values.dtype == torch.float8_e4m3fn


def test_weights_of_zero_stay_zero(made_once, layers):
    with torch.no_grad():
        model = shaped.dequantised(made_once, torch.bfloat16)
        experts = model.model.layers[0].mlp.experts
        experts.down_proj[1] = 0
        experts.gate_up_proj.mul_(1e-6)  # Smaller than what activations are clamped to.
        swiftep.transformers.register(quantise=True)
        model.set_experts_implementation(NAME)
        x, ones = torch.randn(2, 256).bfloat16(), torch.ones(2, 1)
        with pytest.warns(UserWarning):
            assert not experts(x, torch.tensor([[1], [1]]), ones).any()
    made = layers[0]
    assert engines.relative_error(made.gate_up, experts.gate_up_proj) < 0.04


# What is refused


@pytest.mark.parametrize(
    "change, message",
    [
        (dict(has_bias=True), "its experts have biases"),
        (dict(has_gate=False), "its experts have no gate"),
        (dict(is_transposed=True), "its weights are transposed"),
        (dict(is_concatenated=False), "gate and up are interleaved"),
        (dict(act_fn=torch.nn.GELU()), "its activation is GELU and must be SiLU"),
        (dict(limit=10.0), "limit is 10.0"),
        (dict(swiglu_alpha=1.7), "swiglu_alpha is 1.7"),
        (dict(activation_scheme="static"), "activation_scheme is static"),
        (dict(block_size=(64, 128)), r"block_size is \(64, 128\)"),
        (dict(gate_up_proj=torch.zeros(8, 2 * 100, 256)), "intermediate is 100 and must be a multiple of 128"),
        (dict(gate_up_proj=torch.zeros(8, 256, 192)), "hidden is 192 and must be a multiple of 128"),
        (dict(gate_up_proj=torch.zeros(8, 256, 256, dtype=torch.int8)), "its weights are torch.int8"),
        (dict(gate_up_proj_scale_inv=torch.zeros(8, 2, 2, dtype=torch.uint8)), "gate_up_proj_scale_inv is torch.uint8"),
    ],
)
def test_experts_that_are_computed_otherwise_are_refused(model, layers, change, message):
    swiftep.transformers.register()
    model.set_experts_implementation(NAME)
    experts = model.model.layers[0].mlp.experts
    for name, value in change.items():
        if isinstance(value, torch.Tensor):
            value = torch.nn.Parameter(value, requires_grad=False)
        setattr(experts, name, value)
    if "gate_up_proj" in change:
        _, gated, hidden = experts.gate_up_proj.shape
        experts.down_proj = torch.nn.Parameter(
            torch.zeros(8, hidden, gated // 2, dtype=experts.gate_up_proj.dtype), requires_grad=False
        )
    x = torch.zeros(1, experts.gate_up_proj.shape[-1], dtype=torch.bfloat16)
    with pytest.raises(InvalidArgument, match=message):
        experts(x, torch.tensor([[0, 1]]), torch.ones(1, 2))
    assert layers == []


def test_a_gate_function_of_its_own_is_refused(layers):
    from transformers import GptOssConfig
    from transformers.models.gpt_oss.modeling_gpt_oss import GptOssExperts

    swiftep.transformers.register()
    experts = GptOssExperts(GptOssConfig(hidden_size=256, intermediate_size=128, num_local_experts=2))
    experts.config._experts_implementation = NAME
    experts.has_bias = experts.is_transposed = False
    experts.is_concatenated, experts.act_fn = True, torch.nn.SiLU()
    for name in ("limit", "alpha"):
        setattr(experts, name, None)
    with pytest.raises(InvalidArgument, match="a gate function of its own"):
        experts(torch.zeros(1, 256, dtype=torch.bfloat16), torch.zeros(1, 1, dtype=torch.int64), torch.ones(1, 1))


@pytest.mark.parametrize(
    "x, index, weights, message",
    [
        (torch.zeros(2, 256), (2, 2), (2, 2), "hidden states are torch.float32 and must be bfloat16"),
        (torch.zeros(2, 128, dtype=torch.bfloat16), (2, 2), (2, 2), r"hidden states are \[2, 128\]"),
        (torch.zeros(2, 256, dtype=torch.bfloat16), (2, 2), (2, 3), r"top_k_weights \[2, 3\]"),
        (torch.zeros(2, 256, dtype=torch.bfloat16), (3, 2), (3, 2), r"both must be \[2, top_k\]"),
    ],
)
def test_inputs_of_another_type_or_shape_are_refused(model, layers, x, index, weights, message):
    swiftep.transformers.register()
    model.set_experts_implementation(NAME)
    with pytest.raises(InvalidArgument, match=message):
        model.model.layers[0].mlp.experts(x, torch.zeros(index, dtype=torch.int64), torch.ones(weights))


def test_scales_that_are_powers_of_two_make_activations_so(model, layers):
    swiftep.transformers.register()
    model.set_experts_implementation(NAME)
    experts = model.model.layers[0].mlp.experts
    for name in ("gate_up_proj_scale_inv", "down_proj_scale_inv"):
        scales = getattr(experts, name)
        power = torch.exp2(torch.log2(scales).round()).to(torch.float8_e8m0fnu)
        setattr(experts, name, torch.nn.Parameter(power, requires_grad=False))
    with torch.no_grad():
        experts(torch.ones(1, 256).bfloat16(), torch.tensor([[0, 1]]), torch.ones(1, 2))
    assert layers[0].scales == "power_of_two"


def test_experts_of_several_ranks_are_shares():
    ranks = _ranks.Ranks(None, 1, 4, None)
    assert ranks.local_experts(8) == slice(2, 4)
    with pytest.raises(InvalidArgument, match="6 experts cannot be spread evenly over 4 ranks"):
        ranks.local_experts(6)


# On the library


@pytest.mark.parametrize("device", ["cpu", pytest.param("cuda", marks=pytest.mark.gpu)])
def test_all_overlaps_of_a_model_give_the_same_bits(model, device):
    model, given = model.to(device), prompts().to(device)
    swiftep.transformers.register(overlap="none", max_tokens=4, two_batch=True)
    shaped.register_references()
    found = {}
    with torch.no_grad():
        model.set_experts_implementation(NAME)
        for overlap in swiftep.transformers.OVERLAPS:
            swiftep.transformers.set_overlap(model, overlap)
            found[overlap] = model(given).logits
        model.set_experts_implementation(shaped.EMULATED)
        wanted = model(given).logits
    for overlap, logits in found.items():
        assert torch.equal(logits, found["none"]), overlap
    # Tensor cores sum FP8 products with fewer bits than Float32; see swiftep._reference.
    assert engines.relative_error(found["none"], wanted) < (0.02 if device == "cpu" else 0.04)


def test_sentinels_and_empty_steps_on_the_library(model):
    swiftep.transformers.register(max_tokens=4)
    model.set_experts_implementation(NAME)
    experts = model.model.layers[0].mlp.experts
    x = torch.randn(3, 256, generator=torch.Generator().manual_seed(2)).bfloat16()
    index, weights = torch.tensor([[0, 8], [8, 8], [3, 1]]), torch.tensor([[0.5, 0.7], [0.3, 0.4], [1.0, 2.0]])
    with torch.no_grad():
        found = experts(x, index, weights)
        assert not found[1].any()
        assert engines.relative_error(found, shaped.reference(experts, x, index, weights, True)) < 0.01
        assert experts(x[:0], index[:0], weights[:0]).shape == (0, 256)


def one_of_two_ranks(rank, store, results):
    """A model whose experts are spread over two processes, with other tokens in each."""
    torch.distributed.init_process_group("gloo", init_method=f"file://{store}", rank=rank, world_size=2)
    with torch.no_grad():
        model = shaped.fp8_model(shaped.Shape.tiny(), seed=5)
        swiftep.transformers.register(max_tokens=2, group=torch.distributed.group.WORLD)
        shaped.register_references()
        mine = prompts(1, 5 if rank == 0 else 2, seed=rank)
        model.set_experts_implementation(NAME)
        found = [model(mine).logits for _ in range(2)]
        model.set_experts_implementation(shaped.EMULATED)
        error = engines.relative_error(found[0], model(mine).logits)
    results.put((rank, torch.equal(*found), error))


def test_experts_spread_over_two_processes(tmp_path):
    context = torch.multiprocessing.get_context("spawn")
    results = context.SimpleQueue()
    torch.multiprocessing.spawn(one_of_two_ranks, (str(tmp_path / "store"), results), nprocs=2)
    found = sorted(results.get() for _ in range(2))
    assert [(rank, same) for rank, same, _ in found] == [(0, True), (1, True)]
    assert all(error < 0.02 for _, _, error in found), found


@pytest.mark.parametrize("factor, status", [(1, 0), (1.1, 1)])
def test_the_script_says_right_and_wrong(monkeypatch, tmp_path, factor, status):
    import transformers_model

    class Layer(swiftep.MoELayer):
        def __call__(self, *given, **others):
            made = super().__call__(*given, **others)
            return made.mul_(factor) if factor != 1 else made

    monkeypatch.setattr(_layers, "MoELayer", Layer)
    monkeypatch.setenv("SWIFTEP_DEVICE", "simulator")
    report = tmp_path / "report.json"
    options = ["--batch", "1", "--new", "1", "--overlaps", "none", "single_batch", "--json", str(report)]
    monkeypatch.setattr("sys.argv", ["transformers_model.py", *options])
    with torch.no_grad(), pytest.raises(SystemExit) as ended:
        transformers_model.main()
    assert ended.value.code == status
    wrong = [found["name"] for found in json.loads(report.read_text())["checks"] if not found["right"]]
    assert (wrong == []) == (status == 0) and all("layer" in name or "swiftep: logits" in name for name in wrong)
