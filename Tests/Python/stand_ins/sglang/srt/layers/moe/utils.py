"""The configuration of MoE layers, in the version that keeps it in globals. ``SM90`` says on which GPU it runs."""

SM90 = True
IS_TBO_ENABLED = None
IS_SBO_ENABLED = None
MOE_QUANTIZATION = None


def initialize_moe_config(server_args):
    global IS_TBO_ENABLED, IS_SBO_ENABLED, MOE_QUANTIZATION
    if server_args.moe_a2a_backend != "deepep":
        raise ValueError(f"No MoeA2ABackend member for value {server_args.moe_a2a_backend}")
    IS_TBO_ENABLED = server_args.enable_two_batch_overlap
    IS_SBO_ENABLED = server_args.enable_single_batch_overlap
    if IS_SBO_ENABLED and SM90:
        raise ValueError(
            "SBO (single batch overlap) is not supported on SM90 GPUs with latest sgl-deep-gemm wheel. "
            "Please try removing --enable-single-batch-overlap argument."
        )
    MOE_QUANTIZATION = server_args.quantization


def is_sbo_enabled():
    return bool(IS_SBO_ENABLED)
