"""Puts swiftep into vLLM's choice of an all-to-all: two chains of ``if`` and, in versions that have it, a registry."""

from __future__ import annotations

import importlib
import sys
import types
from typing import Any, Callable

from .._errors import OutOfOrder

_MANAGERS = "vllm.distributed.device_communicators.all2all"
_CHOICE = "vllm.model_executor.layers.fused_moe.all2all_utils"
#: Marks replacements of vLLM's objects, so that a second call does nothing.
_OURS = "__swiftep__"
BACKEND = "swiftep"


def patch() -> None:
    """Takes the place of DeepEP's low-latency back end. Raises ``OutOfOrder`` if vLLM lacks an object to replace."""
    managers, choice = importlib.import_module(_MANAGERS), importlib.import_module(_CHOICE)
    for module, name in (
        (managers, "DeepEPLLAll2AllManager"),
        (choice, "maybe_make_prepare_finalize"),
        (choice, "maybe_roundup_layer_hidden_size"),
    ):
        if not hasattr(module, name):
            raise OutOfOrder(
                f"this version of vLLM has no {module.__name__}.{name}, where swiftep takes DeepEP's place; "
                "unset SWIFTEP_VLLM, or use a version that docs/engines.md names"
            )
    if hasattr(managers.DeepEPLLAll2AllManager, _OURS):
        return
    from .manager import SwiftEPAll2AllManager

    replace(managers.DeepEPLLAll2AllManager, SwiftEPAll2AllManager)
    replace(choice.maybe_make_prepare_finalize, _choosing(choice, choice.maybe_make_prepare_finalize))
    replace(choice.maybe_roundup_layer_hidden_size, _rounding(choice.maybe_roundup_layer_hidden_size))


def register_factory() -> bool:
    """Registers the back end by name where vLLM has a registry; returns whether it has."""
    choice = importlib.import_module(_CHOICE)
    register = getattr(choice, "register_moe_prepare_finalize_factory", None)
    base: Any = getattr(choice, "MoEPrepareFinalizeFactory", None)
    if register is None or base is None:
        return False
    if BACKEND in getattr(choice, "_PREPARE_FINALIZE_FACTORIES", {}):
        return True

    class SwiftEPFactory(base):  # type: ignore[misc]
        """Makes swiftep's prepare and finalize for ``--all2all-backend swiftep``."""

        backend_name = BACKEND

        @classmethod
        def create(cls, *, moe: Any, quant_config: Any, routing_tables: Any, all2all_manager: Any, **_: Any) -> Any:
            return _make(choice, moe, quant_config, routing_tables, all2all_manager)

    register(SwiftEPFactory)
    return True


def replace(original: Any, replacement: Any) -> int:
    """Puts an object in the place of another in every module that has imported it by name; returns the number of
    places."""
    places = 0
    for module in list(sys.modules.values()):
        if not isinstance(module, types.ModuleType):
            continue
        for name, value in list(vars(module).items()):
            if value is original:
                setattr(module, name, replacement)
                places += 1
    return places


def _choosing(choice: Any, original: Callable[..., Any]) -> Callable[..., Any]:
    def maybe_make_prepare_finalize(
        moe: Any, quant_config: Any, routing_tables: Any = None, *arguments: Any, **keywords: Any
    ) -> Any:
        if not getattr(moe, "use_deepep_ll_kernels", False):
            return original(moe, quant_config, routing_tables, *arguments, **keywords)
        manager = keywords.get("all2all_manager")
        if manager is None:
            stage = {"eep_stage": keywords["eep_stage"]} if "eep_stage" in keywords else {}
            manager = choice.get_ep_all2all_manager(**stage)
        return _make(choice, moe, quant_config, routing_tables, manager)

    setattr(maybe_make_prepare_finalize, _OURS, True)
    return maybe_make_prepare_finalize


def _rounding(original: Callable[..., Any]) -> Callable[..., Any]:
    def maybe_roundup_layer_hidden_size(hidden_size: int, act_dtype: Any, moe_parallel_config: Any) -> int:
        if not getattr(moe_parallel_config, "use_deepep_ll_kernels", False):
            return int(original(hidden_size, act_dtype, moe_parallel_config))
        return (hidden_size + 127) // 128 * 128

    setattr(maybe_roundup_layer_hidden_size, _OURS, True)
    return maybe_roundup_layer_hidden_size


def _make(choice: Any, moe: Any, quant_config: Any, routing_tables: Any, manager: Any) -> Any:
    from .manager import SwiftEPAll2AllManager
    from .prepare_finalize import SwiftEPPrepareAndFinalize

    if quant_config is None:
        raise OutOfOrder("vLLM gives no quantisation of the experts, without which swiftep does not know what to send")
    ranks = manager.world_size
    arguments = {
        "max_num_tokens_per_dp_rank": moe.max_num_tokens,
        "token_hidden_size": moe.hidden_dim,
        "num_ep_ranks": ranks,
        "num_global_experts": moe.num_experts,
        "num_local_experts": moe.num_experts // ranks,
    }
    # A communicator that was chosen by another name has another manager; the ranks are the same.
    if not hasattr(type(manager), _OURS):
        manager = SwiftEPAll2AllManager(manager.cpu_group)
    fp8 = quant_config.quant_dtype == choice.current_platform.fp8_dtype()
    return SwiftEPPrepareAndFinalize(
        manager.get_handle(arguments),
        max_tokens_per_rank=moe.max_num_tokens,
        num_dispatchers=ranks,
        use_fp8_dispatch=fp8 and quant_config.block_shape == [128, 128],
        global_to_physical=None if routing_tables is None else routing_tables[0],
    )
