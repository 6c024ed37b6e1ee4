"""Chooses prepare and finalize by the configuration, in the version of pull request 50556, which has a registry."""

from abc import ABC, abstractmethod

from vllm.platforms import current_platform  # noqa: F401

MANAGER = None


def get_ep_all2all_manager():
    assert MANAGER is not None
    return MANAGER


def maybe_roundup_layer_hidden_size(hidden_size, act_dtype, moe_parallel_config):
    if moe_parallel_config.use_deepep_ll_kernels:
        return next(size for size in (2048, 2560, 3072, 4096, 5120, 6144, 7168, 8192) if size >= hidden_size)
    return hidden_size


def maybe_make_prepare_finalize(
    moe,
    quant_config,
    routing_tables=None,
    allow_new_interface=False,
    use_monolithic=False,
    all2all_manager=None,
    input_dtype=None,
):
    if getattr(moe, "all2all_backend", None) in _PREPARE_FINALIZE_FACTORIES:
        return _PREPARE_FINALIZE_FACTORIES[moe.all2all_backend].create(
            moe=moe,
            quant_config=quant_config,
            routing_tables=routing_tables,
            allow_new_interface=allow_new_interface,
            use_monolithic=use_monolithic,
            eep_stage=False,
            all2all_manager=all2all_manager or get_ep_all2all_manager(),
        )
    if moe.use_deepep_ll_kernels:
        raise NameError("name 'DeepEPLLPrepareAndFinalize' is not defined")
    return "another back end"


_PREPARE_FINALIZE_FACTORIES = {}


class MoEPrepareFinalizeFactory(ABC):
    supports_sequence_parallel = False

    @classmethod
    @abstractmethod
    def create(
        cls, *, moe, quant_config, routing_tables, allow_new_interface, use_monolithic, eep_stage, all2all_manager
    ): ...


def register_moe_prepare_finalize_factory(factory):
    if factory.backend_name in _PREPARE_FINALIZE_FACTORIES:
        raise ValueError(f"MoE Prepare/Finalize backend {factory.backend_name!r} is already registered")
    _PREPARE_FINALIZE_FACTORIES[factory.backend_name] = factory
    return factory
