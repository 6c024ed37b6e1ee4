"""The protocol of prepare and finalize, and a kernel that calls it as the engine does."""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from enum import Enum

import torch


class FusedMoEActivationFormat(Enum):
    Standard = ("standard",)
    BatchedExperts = ("batched_experts",)


@dataclass
class ExpertTokensMetadata:
    expert_num_tokens: torch.Tensor | None
    expert_num_tokens_cpu: torch.Tensor | None
    psum_recv_per_rank: torch.Tensor | None = None


class FusedMoEPrepareAndFinalize(ABC):
    def __init__(self, moe_config, quant_config):
        self.moe_config = moe_config
        self.quant_config = quant_config

    def post_init_setup(self, fused_experts):
        return

    @property
    @abstractmethod
    def activation_format(self): ...

    @abstractmethod
    def topk_indices_dtype(self): ...

    @abstractmethod
    def max_num_tokens_per_rank(self): ...

    @abstractmethod
    def num_dispatchers(self): ...

    @abstractmethod
    def output_is_reduced(self): ...

    def supports_async(self):
        return False


class FusedMoEPrepareAndFinalizeModular(FusedMoEPrepareAndFinalize):
    @abstractmethod
    def prepare(
        self,
        a1,
        topk_weights,
        topk_ids,
        num_experts,
        expert_map,
        apply_router_weight_on_input,
        quant_config,
        defer_input_quant,
    ): ...

    @abstractmethod
    def finalize(
        self, output, fused_expert_output, topk_weights, topk_ids, apply_router_weight_on_input, weight_and_reduce_impl
    ): ...


def run(prepare_finalize, experts, a1, topk_weights, topk_ids, num_experts, quant_config, weight_and_reduce_impl):
    """One layer, in the engine's order; `experts` maps rows, scales and counts to rows."""
    assert prepare_finalize.activation_format is FusedMoEActivationFormat.BatchedExperts
    assert prepare_finalize.output_is_reduced()
    output = torch.empty_like(a1)
    ids = topk_ids.to(prepare_finalize.topk_indices_dtype())
    common = (a1, topk_weights, ids, num_experts, None, False, quant_config)
    if not prepare_finalize.supports_async():
        rows, scales, found, _, _ = prepare_finalize.prepare(*common, defer_input_quant=False)
    else:
        hook, receiver = prepare_finalize.prepare_async(*common, defer_input_quant=False)
        hook()
        rows, scales, found, _, _ = receiver()
    made = experts(rows, scales, found.expert_num_tokens)
    last = (output, made, topk_weights, ids, False, weight_and_reduce_impl)
    if not prepare_finalize.supports_async():
        prepare_finalize.finalize(*last)
    else:
        hook, receiver = prepare_finalize.finalize_async(*last)
        hook()
        receiver()
    return output
