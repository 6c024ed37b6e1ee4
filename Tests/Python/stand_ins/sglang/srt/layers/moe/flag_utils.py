"""The same in the version that keeps it in flags."""

from types import SimpleNamespace

_FLAGS = SimpleNamespace(moe=SimpleNamespace(sbo_enabled=None, quantization=None))


def get_flags():
    return _FLAGS


def initialize_moe_config(server_args):
    moe = get_flags().moe
    moe.sbo_enabled = server_args.enable_single_batch_overlap
    if moe.sbo_enabled:
        raise ValueError("SBO (single batch overlap) is not supported on SM90 GPUs with latest sgl-deep-gemm wheel.")
    moe.quantization = server_args.quantization


def is_sbo_enabled():
    return bool(get_flags().moe.sbo_enabled)
