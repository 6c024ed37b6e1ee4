# ruff: noqa: E402 - nothing is imported where PyTorch is missing
"""The vLLM plug-in, against stand-ins of what it meets in vLLM, on CPU tensors."""

import importlib
import sys
from types import SimpleNamespace

import pytest

torch = pytest.importorskip("torch", reason="the vLLM plug-in works on PyTorch tensors")

import engines
import swiftep.vllm
from swiftep import InvalidArgument, OutOfOrder

pytestmark = pytest.mark.torch

EXPERTS, HIDDEN, TOKENS, TOP_K, ROOM = 4, 256, 5, 2, 8
FUSED = "vllm.model_executor.layers.fused_moe"


@pytest.fixture(scope="module")
def process_group(tmp_path_factory):
    store = tmp_path_factory.mktemp("group") / "store"
    torch.distributed.init_process_group("gloo", init_method=f"file://{store}", rank=0, world_size=1)
    yield torch.distributed.group.WORLD
    torch.distributed.destroy_process_group()


BOTH = pytest.mark.parametrize("buffers", ["loopback", "library"], indirect=True)


@pytest.fixture
def buffers(request, monkeypatch):
    """Buffers in PyTorch that write down their calls, or for tests that are marked `BOTH` ours as well."""
    kind = getattr(request, "param", "loopback")
    monkeypatch.setenv("SWIFTEP_DEVICE", "simulator")
    if kind == "loopback":
        monkeypatch.setitem(sys.modules, "swiftep.deep_ep", SimpleNamespace(Buffer=engines.LoopbackBuffer))
        monkeypatch.setattr(swiftep, "deep_ep", sys.modules["swiftep.deep_ep"], raising=False)
    return kind


@pytest.fixture
def vllm(buffers, monkeypatch):
    """The stand-in with the plug-in active."""
    with engines.stand_in("vllm"):
        layer = importlib.import_module(f"{FUSED}.layer")
        monkeypatch.setenv(swiftep.vllm.ENVIRONMENT, "1")
        swiftep.vllm.activate()
        yield SimpleNamespace(
            layer=layer,
            choice=importlib.import_module(f"{FUSED}.all2all_utils"),
            modular=importlib.import_module(f"{FUSED}.modular_kernel"),
            reduce=importlib.import_module(f"{FUSED}.topk_weight_and_reduce"),
            communicator=importlib.import_module("vllm.distributed.device_communicators.cuda_communicator"),
            managers=importlib.import_module("vllm.distributed.device_communicators.all2all"),
        )
        # Their classes have bases of the stand-in.
        for name in ("manager", "prepare_finalize"):
            sys.modules.pop(f"swiftep.vllm.{name}", None)


def configuration(low_latency=True, backend="deepep_low_latency", hidden=HIDDEN):
    return SimpleNamespace(
        use_deepep_ll_kernels=low_latency,
        all2all_backend=backend,
        max_num_tokens=ROOM,
        hidden_dim=hidden,
        num_experts=EXPERTS,
    )


def quantisation(block_shape=(128, 128), dtype=torch.float8_e4m3fn, **others):
    return SimpleNamespace(
        quant_dtype=dtype,
        block_shape=list(block_shape),
        a1_scale=None,
        a2_scale=None,
        per_act_token_quant=False,
        **others,
    )


def inputs(seed=7):
    generator = torch.Generator().manual_seed(seed)
    x = torch.randn(TOKENS, HIDDEN, generator=generator).bfloat16()
    ids = torch.stack([torch.randperm(EXPERTS, generator=generator)[:TOP_K] for _ in range(TOKENS)])
    ids[1, 0] = -1
    weights = torch.rand(TOKENS, TOP_K, generator=generator)
    return x, weights, ids


def doubling(rows, scales, counts):
    """Experts that multiply a row by their number plus 1; rows beyond the count become NaN."""
    values = rows.float() if scales is None else engines.dequantise_rows(rows, scales)
    made = torch.full(values.shape, float("nan"), dtype=torch.bfloat16)
    for expert, count in enumerate(counts.tolist()):
        made[expert, :count] = (values[expert, :count] * (expert + 1)).bfloat16()
    return made


def expected(x, weights, ids):
    values, scales = engines.quantise_rows(x)
    rows = engines.dequantise_rows(values, scales)
    total = torch.zeros(TOKENS, HIDDEN)
    for k in range(TOP_K):
        chosen = ids[:, k, None]
        total += torch.where(chosen < 0, 0, weights[:, k, None] * (rows * (chosen + 1)).bfloat16().float())
    return total.bfloat16()


def require_equal(found, wanted, buffers):
    """The same bits of the stand-in. Kernels multiply and add with one rounding, and divide otherwise: the last bit of
    BF16 may differ, and of a few values that of FP8."""
    if buffers == "loopback":
        assert torch.equal(found, wanted)
    else:
        assert engines.relative_error(found, wanted) < 0.01


def test_does_nothing_unless_asked(monkeypatch):
    monkeypatch.delenv(swiftep.vllm.ENVIRONMENT, raising=False)
    with engines.stand_in("vllm"):
        swiftep.vllm.activate()
        managers = importlib.import_module("vllm.distributed.device_communicators.all2all")
        assert managers.DeepEPLLAll2AllManager.__module__ == managers.__name__


@BOTH
def test_a_layer_from_choice_to_output(vllm, buffers, process_group):
    communicator = vllm.communicator.CudaCommunicator(process_group, "deepep_low_latency")
    vllm.choice.MANAGER = communicator.all2all_manager
    made = vllm.layer.make(configuration(), quantisation())
    assert made.topk_indices_dtype() is torch.int64
    assert (made.max_num_tokens_per_rank(), made.num_dispatchers()) == (ROOM, 1)
    x, weights, ids = inputs()
    output = vllm.modular.run(
        made, doubling, x, weights, ids, EXPERTS, quantisation(), vllm.reduce.TopKWeightAndReduceDelegate()
    )
    assert buffers == "library" or made.buffer.calls == [
        ("dispatch", True),
        ("dispatch hook",),
        ("combine", True, False),
        ("combine hook",),
    ]
    require_equal(output, expected(x, weights, ids), buffers)


@BOTH
def test_finalize_without_a_hook_is_finished_when_it_returns(vllm, buffers, process_group):
    made = vllm.layer.make(configuration(), quantisation(), all2all_manager=manager(vllm, process_group))
    made.supports_async = lambda: False
    x, weights, ids = inputs(8)
    delegate = vllm.reduce.TopKWeightAndReduceDelegate()
    output = vllm.modular.run(made, doubling, x, weights, ids, EXPERTS, quantisation(), delegate)
    assert buffers == "library" or made.buffer.calls[-2:] == [("combine", False, False), ("combine hook",)]
    require_equal(output, expected(x, weights, ids), buffers)


@BOTH
def test_rows_of_bf16_are_quantised_after_they_came(vllm, buffers, process_group):
    other = quantisation(block_shape=(64, 64))
    made = vllm.layer.make(configuration(), other, all2all_manager=manager(vllm, process_group))
    assert not made.use_fp8_dispatch
    x, weights, ids = inputs(9)
    seen = []

    def experts(rows, scales, counts):
        seen.append((rows.dtype, tuple(scales.shape)))
        return torch.zeros(rows.shape, dtype=torch.bfloat16)

    delegate = vllm.reduce.TopKWeightAndReduceDelegate()
    vllm.modular.run(made, experts, x, weights, ids, EXPERTS, other, delegate)
    assert seen == [(torch.float8_e4m3fn, (EXPERTS, ROOM, HIDDEN // 64))]


@BOTH
def test_experts_moved_by_the_balancer_and_no_choice(vllm, buffers, process_group):
    table = torch.tensor([2, 0, 3, 1])
    made = vllm.layer.make(
        configuration(),
        quantisation(),
        routing_tables=(table, None, None),
        all2all_manager=manager(vllm, process_group),
    )
    x, weights, ids = inputs(10)
    delegate = vllm.reduce.TopKWeightAndReduceDelegate()
    output = vllm.modular.run(made, doubling, x, weights, ids, EXPERTS, quantisation(), delegate)
    moved = torch.where(ids < 0, ids, table[ids.clamp(min=0)])
    require_equal(output, expected(x, weights, moved), buffers)


def test_one_buffer_for_a_shape_which_is_destroyed(vllm, process_group):
    mine = manager(vllm, process_group)
    first = vllm.layer.make(configuration(), quantisation(), all2all_manager=mine)
    second = vllm.layer.make(configuration(), quantisation(), all2all_manager=mine)
    assert first.buffer is second.buffer
    assert first.buffer.options["enable_shrink"] is False and first.buffer.options["explicitly_destroy"] is True
    mine.destroy()
    assert first.buffer.calls == [("destroy",)]


def test_other_back_ends_and_sizes_stay_as_they_are(vllm):
    assert vllm.layer.make(configuration(low_latency=False), quantisation()) == "another back end"
    assert vllm.layer.hidden_size(3000, SimpleNamespace(use_deepep_ll_kernels=False)) == 3000


@pytest.mark.parametrize("size, rounded", [(3584, 3584), (3000, 3072), (12800, 12800), (128, 128)])
def test_hidden_sizes_are_multiples_of_128(vllm, size, rounded):
    assert vllm.layer.hidden_size(size, SimpleNamespace(use_deepep_ll_kernels=True)) == rounded


def test_the_registry_has_the_name_swiftep(vllm, process_group):
    vllm.choice.MANAGER = vllm.managers.AgRsAll2AllManager(process_group)
    made = vllm.layer.make(configuration(low_latency=False, backend="swiftep"), quantisation())
    assert type(made).__name__ == "SwiftEPPrepareAndFinalize"
    swiftep.vllm.activate()  # A second time changes nothing.
    assert list(vllm.choice._PREPARE_FINALIZE_FACTORIES) == ["swiftep"]


def test_a_version_without_the_registry(monkeypatch):
    from swiftep.vllm import selection

    with engines.stand_in("vllm"):
        choice = importlib.import_module(f"{FUSED}.all2all_utils")
        monkeypatch.delattr(choice, "register_moe_prepare_finalize_factory")
        assert selection.register_factory() is False


def test_an_unknown_version_is_left_alone(monkeypatch):
    from swiftep.vllm import selection

    with engines.stand_in("vllm"):
        choice = importlib.import_module(f"{FUSED}.all2all_utils")
        original = choice.maybe_make_prepare_finalize
        monkeypatch.delattr(choice, "maybe_roundup_layer_hidden_size")
        with pytest.raises(OutOfOrder, match="maybe_roundup_layer_hidden_size"):
            selection.patch()
        assert choice.maybe_make_prepare_finalize is original


@pytest.mark.parametrize(
    "change, message",
    [
        (dict(defer_input_quant=True), "defer_input_quant is set"),
        (dict(quant_config=quantisation(dtype="nvfp4")), "quant_dtype is nvfp4"),
        (dict(apply_router_weight_on_input=True), "needs top_k 1"),
        (dict(a1=torch.zeros(TOKENS, 200, dtype=torch.bfloat16)), "hidden is 200"),
    ],
)
def test_what_is_not_done_is_refused(vllm, process_group, change, message):
    made = vllm.layer.make(configuration(), quantisation(), all2all_manager=manager(vllm, process_group))
    x, weights, ids = inputs()
    arguments = dict(
        a1=x,
        topk_weights=weights,
        topk_ids=ids,
        num_experts=EXPERTS,
        expert_map=None,
        apply_router_weight_on_input=False,
        quant_config=quantisation(),
        defer_input_quant=False,
    )
    with pytest.raises(InvalidArgument, match=message):
        made.prepare(**{**arguments, **change})
    assert made.buffer.calls == []


def test_experts_that_add_up_by_themselves_are_refused(vllm, process_group):
    made = vllm.layer.make(configuration(), quantisation(), all2all_manager=manager(vllm, process_group))
    x, weights, ids = inputs()
    other = vllm.reduce.TopKWeightAndReduceContiguous()
    with pytest.raises(InvalidArgument, match="TopKWeightAndReduceContiguous"):
        vllm.modular.run(made, doubling, x, weights, ids, EXPERTS, quantisation(), other)


def manager(vllm, process_group):
    return vllm.communicator.CudaCommunicator(process_group, "deepep_low_latency").all2all_manager
