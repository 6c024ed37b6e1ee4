"""Quantisation of rows that came as BF16."""

import torch


def moe_kernel_quantize_input(A, A_scale, quant_dtype, per_act_token_quant, block_shape=None):
    assert quant_dtype == torch.float8_e4m3fn and block_shape is not None
    groups = A.float().reshape(A.shape[0], -1, block_shape[1])
    scales = groups.abs().amax(dim=-1).nan_to_num(1).clamp(min=1e-4) / 448
    return (groups / scales[..., None]).reshape(A.shape).to(quant_dtype), scales


def normalize_batched_scales_shape(scales, num_experts):
    return scales.view(num_experts, -1, scales.shape[-1])
