"""Runs experts on what a dispatch received, with the masked grouped GEMM of ``deep_gemm``."""

from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

import torch

from sglang.srt.layers.moe.token_dispatcher.deepep import DeepEPLLCombineInput


@dataclass
class DeepGemmMoeQuantInfo:
    w13_weight: torch.Tensor
    w2_weight: torch.Tensor
    use_fp8: bool = True
    w13_scale: torch.Tensor | None = None
    w2_scale: torch.Tensor | None = None
    block_shape: list[int] | None = None


def configuration(**changes):
    return SimpleNamespace(**{"activation": "silu", "is_gated": True, "swiglu_limit": None, **changes})


def silu_and_mul_quantised(gate_up, masked_m):
    """The engine's kernel between the GEMMs, in PyTorch, for the rows that are there."""
    experts, rows, n = gate_up.shape
    values = torch.zeros(experts, rows, n // 2, dtype=torch.float8_e4m3fn, device=gate_up.device)
    scales = torch.zeros(experts, n // 256, rows, dtype=torch.float32, device=gate_up.device).transpose(1, 2)
    for expert, count in enumerate(masked_m.tolist()):
        gate, up = gate_up[expert, :count].float().chunk(2, dim=-1)
        groups = (torch.nn.functional.silu(gate) * up).unflatten(-1, (-1, 128))
        amax = groups.abs().amax(dim=-1).clamp(min=1e-4)
        scales[expert, :count] = amax / 448
        values[expert, :count] = (groups * (448 / amax)[..., None]).flatten(-2).clamp(-448, 448).to(values.dtype)
    return values, scales


class MoeRunner:
    def __init__(self, config, deep_gemm=None, lora_enabled=False):
        self.config, self.deep_gemm, self.lora_enabled = config, deep_gemm, lora_enabled
        self.down_gemm_overlap_args: Any = None
        self.meta_overlap_args: dict | None = None

    def run(self, dispatch_output, quant_info, lora_info=None):
        if self.deep_gemm is None:
            return "SGLang's own kernels"
        rows, counts, expected_m = dispatch_output.hidden_states, dispatch_output.masked_m, dispatch_output.expected_m
        experts, room, _ = rows.shape
        w13, w2 = (quant_info.w13_weight, quant_info.w13_scale), (quant_info.w2_weight, quant_info.w2_scale)
        gate_up = rows.new_empty((experts, room, w13[0].shape[1]), dtype=torch.bfloat16)
        self.masked((rows, dispatch_output.hidden_states_scale), w13, gate_up, counts, expected_m)
        activations = silu_and_mul_quantised(gate_up, counts)
        down = rows.new_empty((experts, room, w2[0].shape[1]), dtype=torch.bfloat16)
        args, extra = self.down_gemm_overlap_args, {}
        if args is not None:
            args.start_event.record()
            extra = dict(overlap_args=args, max_block_n=256)
        returned = self.masked(activations, w2, down, counts, expected_m, **extra)
        if self.meta_overlap_args is not None and returned is not None:
            self.meta_overlap_args["block_m"], self.meta_overlap_args["threshold"] = returned
        return DeepEPLLCombineInput(down, dispatch_output.topk_ids, dispatch_output.topk_weights)

    def masked(self, lhs, rhs, out, masked_m, expected_m, overlap_args=None, max_block_n=256):
        """The engine's wrapper of the GEMM: the number of multiprocessors is global, and put back."""
        if overlap_args is None:
            return self.deep_gemm.fp8_m_grouped_gemm_nt_masked(lhs, rhs, out, masked_m, expected_m)
        before = self.deep_gemm.get_num_sms()
        self.deep_gemm.set_num_sms(overlap_args.num_sms)
        try:
            return self.deep_gemm.fp8_m_grouped_gemm_nt_masked(
                lhs,
                rhs,
                out,
                masked_m,
                expected_m,
                enable_overlap=True,
                max_block_n=max_block_n,
                signal=overlap_args.signal,
            )
        finally:
            self.deep_gemm.set_num_sms(before)

    def set_overlap_args(self, down_gemm_overlap_args, meta_overlap_args):
        self.down_gemm_overlap_args, self.meta_overlap_args = down_gemm_overlap_args, meta_overlap_args

    def clear_overlap_args(self):
        self.down_gemm_overlap_args = self.meta_overlap_args = None
