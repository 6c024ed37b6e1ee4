"""The kernels of sgl-deep-gemm as experts of the same model: its fused layer ("Mega MoE"), and its masked GEMM between
`swiftep.deep_ep`'s dispatch and combine. They stand beside ours in `transformers_model.py`, where the wheels
sgl-deep-gemm==0.1.5 and apache-tvm-ffi==0.1.11 and a CUDA toolkit, with which it compiles its kernels, are installed."""

import types
from unittest import mock

import engine_style
import torch

#: Names of the two implementations.
FUSED, GEMM = "swiftep_test_peer_fused", "swiftep_test_peer_gemm"


def register(buffer, max_tokens):
    """Registers both with transformers, for FP8 experts. Raises what the peer raises where it cannot be loaded."""
    import deep_gemm
    from transformers.integrations.finegrained_fp8 import FP8ExpertsInterface

    def gemm(self, hidden_states, top_k_index, top_k_weights):
        return engine_style.in_parts(
            self, buffer, max_tokens, (hidden_states, top_k_index, top_k_weights), False, None, deep_gemm
        )

    FP8ExpertsInterface.register(GEMM, gemm)
    FP8ExpertsInterface.register(FUSED, Fused(deep_gemm, max_tokens))


class Fused:
    """The fused layer on one rank. Weights are brought into its order once for each experts module."""

    def __init__(self, deep_gemm, max_tokens):
        self.deep_gemm, self.max_tokens = deep_gemm, max_tokens
        self.weights, self.buffer = {}, None

    def __call__(self, module, hidden_states, top_k_index, top_k_weights):
        gate_up, down = self.weights_of(module)
        output = torch.empty_like(hidden_states)
        for first in range(0, len(hidden_states), self.max_tokens):
            part = slice(first, first + self.max_tokens)
            x, ids = hidden_states[part].contiguous(), top_k_index[part].to(torch.int32).contiguous()
            weights, buffer = top_k_weights[part].float().contiguous(), self.buffer
            self.deep_gemm.mega_moe_pre_dispatch_sm90(
                x, ids, weights, buffer.x, buffer.x_sf, buffer.topk_idx, buffer.topk_weights, len(x)
            )
            self.deep_gemm.fp8_mega_moe(output[part], gate_up, down, buffer)
        return output

    def weights_of(self, module):
        if module not in self.weights:
            gate_up = module.gate_up_proj.detach(), module.gate_up_proj_scale_inv.detach()
            down = module.down_proj.detach(), module.down_proj_scale_inv.detach()
            self.weights[module] = self.deep_gemm.transform_weights_for_mega_moe_sm90(gate_up, down)
        if self.buffer is None:
            experts, hidden, intermediate = module.down_proj.shape
            self.buffer = self.buffer_of_one_rank(module.config.num_experts_per_tok, experts, hidden, intermediate)
        return self.weights[module]

    def buffer_of_one_rank(self, top_k, experts, hidden, intermediate):
        """The peer's buffer in ordinary memory: with one rank there is nobody to share it with."""
        alone = types.SimpleNamespace(size=lambda: 1, rank=lambda: 0, barrier=lambda: None)

        def rendezvous(memory, group):
            return types.SimpleNamespace(buffer_ptrs=[memory.data_ptr()], rank=0, world_size=1)

        shared = "torch.distributed._symmetric_memory"
        with mock.patch.multiple(shared, empty=torch.empty, rendezvous=rendezvous):
            return self.deep_gemm.get_symm_buffer_for_mega_moe(
                alone, experts, self.max_tokens, top_k, hidden, intermediate
            )
