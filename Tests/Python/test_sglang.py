# ruff: noqa: E402 - nothing is imported where PyTorch is missing
"""The SGLang plug-in, against stand-ins of what it meets in SGLang, on CPU tensors."""

import importlib
import logging
import sys
import types
from types import SimpleNamespace

import pytest

torch = pytest.importorskip("torch", reason="the SGLang plug-in works on PyTorch tensors")

import engines
import swiftep.sglang
from swiftep import InvalidArgument, OutOfOrder
from swiftep.sglang import experts as experts_module
from swiftep.sglang import refusal

pytestmark = pytest.mark.torch

EXPERTS, HIDDEN, INTERMEDIATE, TOKENS, TOP_K, ROOM = 4, 256, 128, 6, 2, 68


def stand_in_modules():
    """The modules of the stand-in that tests use, by their last names."""
    names = (
        "plugins.hook_registry",
        "layers.moe.utils",
        "layers.moe.flag_utils",
        "layers.moe.moe_runner.runner",
        "layers.moe.token_dispatcher.deepep",
        "batch_overlap.single_batch_overlap",
        "model",
    )
    modules = {name.rsplit(".", 1)[-1]: importlib.import_module(f"sglang.srt.{name}") for name in names}
    return SimpleNamespace(registry=modules["hook_registry"].HookRegistry, **modules)


@pytest.fixture
def sglang(monkeypatch):
    """The stand-in, with our packages replaced by names that write down that they were installed."""
    with engines.stand_in("sglang"):
        modules = vars(stand_in_modules())
        log = []
        for name in ("deep_ep", "deep_gemm"):
            fake = SimpleNamespace(
                install=lambda name=name: log.append(name), Buffer=engines.LoopbackBuffer, Config=type
            )
            monkeypatch.setitem(sys.modules, f"swiftep.{name}", fake)
            monkeypatch.setattr(swiftep, name, fake, raising=False)
        monkeypatch.setenv(swiftep.sglang.ENVIRONMENT, "1")
        monkeypatch.delenv(swiftep.sglang.EXPERTS_ENVIRONMENT, raising=False)
        yield SimpleNamespace(installed=log, **modules)


def activate(sglang):
    """As SGLang's loader does."""
    swiftep.sglang.activate()
    sglang.registry.apply_hooks()


def arguments(overlap=True, backend="deepep"):
    return SimpleNamespace(
        moe_a2a_backend=backend, enable_two_batch_overlap=False, enable_single_batch_overlap=overlap, quantization="fp8"
    )


# The refusal


def test_does_nothing_unless_asked(sglang, monkeypatch):
    monkeypatch.setenv(swiftep.sglang.ENVIRONMENT, "0")
    activate(sglang)
    assert sglang.installed == [] and sglang.registry.hooks == []
    with pytest.raises(ValueError, match="not supported on SM90"):
        sglang.utils.initialize_moe_config(arguments())


def test_the_refusal_is_lifted_and_the_rest_is_done(sglang):
    importer = sys.modules["sglang.importer"] = types.ModuleType("sglang.importer")
    importer.initialize_moe_config = sglang.utils.initialize_moe_config
    activate(sglang)
    assert sglang.installed == ["deep_ep", "deep_gemm"]
    given = arguments()
    importer.initialize_moe_config(given)
    assert sglang.utils.is_sbo_enabled() and sglang.utils.MOE_QUANTIZATION == "fp8"
    assert given.enable_single_batch_overlap is True


def test_the_version_with_flags(sglang):
    utilities = sglang.flag_utils
    refusal.without_refusal(utilities.initialize_moe_config, arguments())
    assert utilities.is_sbo_enabled() and utilities.get_flags().moe.quantization == "fp8"


def test_nothing_is_set_without_the_flag(sglang):
    activate(sglang)
    sglang.utils.initialize_moe_config(arguments(overlap=False))
    assert not sglang.utils.is_sbo_enabled()


def test_other_refusals_pass(sglang):
    activate(sglang)
    with pytest.raises(ValueError, match="No MoeA2ABackend member for value nothing"):
        sglang.utils.initialize_moe_config(arguments(backend="nothing"))
    assert not sglang.utils.is_sbo_enabled()


def test_an_unknown_version_keeps_its_refusal(sglang, monkeypatch, caplog):
    monkeypatch.delattr(sglang.flag_utils, "is_sbo_enabled")
    original = sglang.flag_utils.initialize_moe_config
    with caplog.at_level(logging.WARNING), pytest.raises(ValueError, match="not supported on SM90"):
        refusal.without_refusal(original, arguments())
    assert "does not know this version" in caplog.text


def test_a_flag_that_nobody_reads_keeps_the_refusal(sglang, monkeypatch, caplog):
    activate(sglang)
    monkeypatch.setattr(sglang.utils, "is_sbo_enabled", lambda: False)
    with caplog.at_level(logging.WARNING), pytest.raises(ValueError, match="not supported on SM90"):
        sglang.utils.initialize_moe_config(arguments())
    assert sglang.utils.IS_SBO_ENABLED is False and "SGLang does not see it" in caplog.text


def test_the_refusal_stays_where_our_kernels_cannot_be_installed(sglang, monkeypatch):
    def fail():
        raise RuntimeError("deep_gemm has been imported")

    monkeypatch.setattr(swiftep.deep_gemm, "install", fail)
    with pytest.raises(RuntimeError):
        swiftep.sglang.activate()
    assert sglang.registry.hooks == []


def test_a_dispatcher_that_came_first_gets_our_buffer(sglang):
    assert not sglang.deepep.use_deepep
    activate(sglang)
    assert sglang.deepep.use_deepep and sglang.deepep.Buffer is engines.LoopbackBuffer


def test_a_dispatcher_with_another_deep_ep_gets_our_buffer(sglang, monkeypatch, caplog):
    monkeypatch.setitem(sys.modules, "deep_ep", SimpleNamespace(__file__="site-packages/deep_ep"))
    sglang.deepep.Buffer, sglang.deepep.use_deepep = object, True
    activate(sglang)
    assert sglang.installed == ["deep_gemm"] and "deep_ep stays site-packages/deep_ep" in caplog.text
    assert sglang.deepep.Buffer is engines.LoopbackBuffer


def test_a_buffer_that_has_been_made_is_not_replaced(sglang):
    sglang.deepep.DeepEPBuffer._buffer = object()
    with pytest.raises(OutOfOrder, match="has made a buffer of another deep_ep"):
        swiftep.sglang.activate()
    assert sglang.registry.hooks == []


# A decode step


@pytest.fixture
def problem():
    generator = torch.Generator().manual_seed(3)
    w13, w13_scale = engines.random_weights(EXPERTS, 2 * INTERMEDIATE, HIDDEN, generator)
    w2, w2_scale = engines.random_weights(EXPERTS, HIDDEN, INTERMEDIATE, generator)
    ids = torch.stack([torch.randperm(EXPERTS, generator=generator)[:TOP_K] for _ in range(TOKENS)])
    ids[2, 1] = -1
    return SimpleNamespace(
        x=torch.randn(TOKENS, HIDDEN, generator=generator).bfloat16(),
        ids=ids,
        weights=torch.rand(TOKENS, TOP_K, generator=generator),
        w13=w13,
        w13_scale=w13_scale,
        w2=w2,
        w2_scale=w2_scale,
    )


def quant_info(sglang, problem):
    return sglang.runner.DeepGemmMoeQuantInfo(
        problem.w13, problem.w2, True, problem.w13_scale, problem.w2_scale, [128, 128]
    )


def wanted(problem):
    return engines.layer_reference(
        problem.x,
        problem.ids,
        problem.weights,
        engines.dequantise_blocks(problem.w13, problem.w13_scale),
        engines.dequantise_blocks(problem.w2, problem.w2_scale),
    )


def step(sglang, problem, runner, buffer, overlap):
    """The output of a step without its shared expert, and what was asked of buffer and streams in between."""
    log = buffer.calls = sglang.single_batch_overlap.LOG
    log.clear()
    dispatcher = sglang.deepep.Dispatcher(buffer, ROOM, EXPERTS)
    sglang.utils.IS_SBO_ENABLED = overlap

    def shared(x):
        log.append(("shared experts",))
        return torch.zeros_like(x)

    output = sglang.model.forward(
        dispatcher,
        runner,
        quant_info(sglang, problem),
        problem.x,
        problem.weights,
        problem.ids,
        shared,
        sglang.single_batch_overlap.new_stream(),
        132,
    )
    return output, list(log)


def order(overlap):
    down = ["start_event.record", "alt.wait_event"] if overlap else []
    waits = ["wait_stream"] if overlap else []
    return [
        ("dispatch", True),
        ("shared experts",),
        ("dispatch hook",),
        *down,
        ("combine", True, overlap),
        *waits,
        ("combine hook",),
        *waits,
    ]


@pytest.mark.parametrize("overlap", [False, True])
def test_the_order_of_calls_with_three_kernels(sglang, problem, overlap):
    deep_gemm = engines.TorchDeepGEMM()
    runner = sglang.runner.MoeRunner(sglang.runner.configuration(), deep_gemm)
    output, log = step(sglang, problem, runner, engines.LoopbackBuffer(), overlap)
    assert log == order(overlap)
    assert deep_gemm.calls == [(False, 132), (overlap, 129 if overlap else 132)]
    assert engines.relative_error(output, wanted(problem)) < 0.02


@pytest.fixture
def in_torch(monkeypatch):
    from swiftep.sglang import kernels

    monkeypatch.setattr(kernels, "PackedWeights", engines.TorchWeights)
    monkeypatch.setattr(kernels, "GroupedGEMM", engines.TorchGEMM)
    monkeypatch.setattr(kernels, "_device", lambda device: None)
    monkeypatch.setattr(engines.TorchGEMM, "made", [])
    return engines.TorchGEMM.made


def with_experts(sglang, monkeypatch, mode="1"):
    monkeypatch.setenv(swiftep.sglang.EXPERTS_ENVIRONMENT, mode)
    activate(sglang)
    return sglang.runner.MoeRunner(sglang.runner.configuration())


@pytest.mark.parametrize("overlap", [False, True])
def test_experts_in_two_kernels(sglang, problem, monkeypatch, in_torch, overlap):
    runner = with_experts(sglang, monkeypatch)
    for _ in range(2):
        output, log = step(sglang, problem, runner, engines.LoopbackBuffer(), overlap)
        assert log == order(overlap)
        assert engines.relative_error(output, wanted(problem)) < 1e-3
    gate_up, down = in_torch  # Made once.
    assert (gate_up.output, gate_up.block_m, gate_up.multiprocessors) == ("swiglu", 16, [0, 0])
    assert (down.signals, down.block_m) == (overlap, 64 if overlap else 16)
    assert down.multiprocessors == ([129, 129] if overlap else [0, 0])


@pytest.mark.parametrize("name", ["w13", "w2", "w13_scale", "w2_scale"])
@pytest.mark.parametrize("write", [True, False])
def test_weights_and_scales_that_change_are_packed_again(sglang, problem, monkeypatch, in_torch, name, write):
    runner = with_experts(sglang, monkeypatch)
    step(sglang, problem, runner, engines.LoopbackBuffer(), False)
    changed = getattr(problem, name).float() * 0.5
    if write:
        getattr(problem, name).copy_(changed)
    else:
        setattr(problem, name, changed.to(getattr(problem, name).dtype))
    for _ in range(2):
        output, _ = step(sglang, problem, runner, engines.LoopbackBuffer(), False)
        assert engines.relative_error(output, wanted(problem)) < 1e-3
    assert len(in_torch) == 4


def test_weights_in_place_are_replaced_as_a_whole(sglang, problem, monkeypatch, in_torch):
    runner = with_experts(sglang, monkeypatch, "in_place")
    step(sglang, problem, runner, engines.LoopbackBuffer(), False)
    for name in ("w2_scale", "w13", "w2"):
        getattr(problem, name).copy_(getattr(problem, name).clone())
        with pytest.raises(OutOfOrder, match="in part"):
            step(sglang, problem, runner, engines.LoopbackBuffer(), False)
    problem.w13_scale.copy_(problem.w13_scale.clone())
    step(sglang, problem, runner, engines.LoopbackBuffer(), False)


@pytest.mark.parametrize(
    "change, reason",
    [
        (dict(lora_enabled=True), "LoRA is enabled"),
        (dict(activation="gelu"), "the activation is gelu"),
        (dict(swiglu_limit=10.0), "swiglu_limit is 10.0"),
        (dict(block_shape=[64, 64]), "128 x 128 blocks"),
        (dict(w13_weight=torch.zeros(1, 256, 256)), "weights are not FP8"),
        (dict(hidden_states=torch.zeros(1, 4, 256)), "rows are not FP8"),
        (dict(format=SimpleNamespace(value="deepep_normal")), "format deepep_normal"),
    ],
)
def test_what_is_not_run_goes_to_sglang(sglang, problem, monkeypatch, in_torch, caplog, change, reason):
    runner = with_experts(sglang, monkeypatch)
    info = quant_info(sglang, problem)
    values = torch.zeros(EXPERTS, ROOM, HIDDEN).to(torch.float8_e4m3fn)
    received = SimpleNamespace(
        format=SimpleNamespace(value="deepep_ll"),
        hidden_states=values,
        hidden_states_scale=torch.ones(EXPERTS, ROOM, HIDDEN // 128),
    )
    for name, value in change.items():
        holder = next(h for h in (info, received, runner.config, runner) if hasattr(h, name))
        setattr(holder, name, value)
    with caplog.at_level(logging.WARNING):
        assert runner.run(received, info) == "SGLang's own kernels"
        assert runner.run(received, info) == "SGLang's own kernels"
    assert sum(reason in message for message in caplog.messages) == 1
    assert in_torch == []


def test_in_place_leaves_nothing_for_sglang(sglang, problem, monkeypatch, in_torch):
    runner = with_experts(sglang, monkeypatch, "in_place")
    output, _ = step(sglang, problem, runner, engines.LoopbackBuffer(), True)
    assert engines.relative_error(output, wanted(problem)) < 1e-3
    assert all(gemm.weights.in_place for gemm in in_torch)
    prefill = SimpleNamespace(format=SimpleNamespace(value="deepep_normal"))
    with pytest.raises(InvalidArgument, match="--deepep-mode low_latency"):
        runner.run(prefill, quant_info(sglang, problem))


def test_scales_of_a_dispatch_are_not_copied_and_others_are():
    from swiftep.sglang.kernels import by_channel

    ours = torch.rand(2, 3, 128)
    seen = by_channel(ours.transpose(1, 2)[:, :68], 64)
    assert seen.data_ptr() == ours.data_ptr() and torch.equal(seen, ours)
    theirs = torch.rand(2, 3, 68).transpose(1, 2)  # DeepEP leaves no room behind the rows.
    made = by_channel(theirs, 64)
    assert made.shape == (2, 3, 128) and torch.equal(made[:, :, :68], theirs.transpose(1, 2))
    by_row = torch.rand(2, 64, 3)
    assert torch.equal(by_channel(by_row, 64), by_row.transpose(1, 2))


def test_an_unknown_word_is_refused():
    assert experts_module.chosen(None) is None and experts_module.chosen("0") is None
    with pytest.raises(InvalidArgument, match="'yes'"):
        experts_module.chosen("yes")


# On the library


@pytest.fixture(scope="module")
def process_group(tmp_path_factory):
    store = tmp_path_factory.mktemp("group") / "store"
    torch.distributed.init_process_group("gloo", init_method=f"file://{store}", rank=0, world_size=1)
    yield torch.distributed.group.WORLD
    torch.distributed.destroy_process_group()


@pytest.fixture
def installed():
    """Neither name taken, before and after."""
    for name in ("deep_ep", "deep_gemm"):
        assert name not in sys.modules, f"{name} is {sys.modules[name].__file__}; these tests need it gone"
    yield
    for name in list(sys.modules):
        if name.partition(".")[0] in ("deep_ep", "deep_gemm"):
            del sys.modules[name]


@pytest.mark.parametrize("device", ["cpu", pytest.param("cuda", marks=pytest.mark.gpu)])
@pytest.mark.parametrize("experts", ["0", "1"])
@pytest.mark.parametrize("overlap", [False, True])
def test_a_step_on_the_library(problem, process_group, installed, monkeypatch, device, experts, overlap):
    problem = SimpleNamespace(**{name: tensor.to(device) for name, tensor in vars(problem).items()})
    monkeypatch.setenv("SWIFTEP_DEVICE", "simulator" if device == "cpu" else "cuda")
    monkeypatch.setenv(swiftep.sglang.ENVIRONMENT, "1")
    monkeypatch.setenv(swiftep.sglang.EXPERTS_ENVIRONMENT, experts)
    with engines.stand_in("sglang"):
        engine = stand_in_modules()
        engine.single_batch_overlap.ON_GPU = device == "cuda"
        swiftep.sglang.activate()
        engine.registry.apply_hooks()
        deep_gemm = importlib.import_module("deep_gemm")
        buffer = engine.deepep.DeepEPBuffer.get_deepep_buffer(process_group, 1, EXPERTS)
        assert type(buffer) is importlib.import_module("deep_ep").Buffer
        runner = engine.runner.MoeRunner(engine.runner.configuration(), deep_gemm)
        engine.utils.IS_SBO_ENABLED = overlap
        for _ in range(2):
            output = engine.model.forward(
                engine.deepep.Dispatcher(buffer, ROOM, EXPERTS), runner, quant_info(engine, problem), problem.x,
                problem.weights, problem.ids, torch.zeros_like, engine.single_batch_overlap.new_stream(),
                deep_gemm.get_num_sms(),
            )  # fmt: skip
            assert engines.relative_error(output, wanted(problem)) < (0.01 if experts == "1" else 0.02)
        assert (getattr(runner, "_swiftep_kernels", None) is not None) == (experts == "1")
        buffer.destroy()
