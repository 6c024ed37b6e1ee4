"""Models of DeepSeek-V3's shape with FP8 experts and random weights, in transformers' own classes.

A checkpoint is not needed: experts are exchanged by the function that the FP8 quantiser calls when it loads one
(`replace_with_fp8_linear`), and then filled. All other layers stay BF16, so that models run where transformers' FP8
kernels cannot be loaded.
"""

from dataclasses import dataclass

import engines
import torch

#: Names of the experts implementations that `register_references` adds.
EMULATED, EXACT = "swiftep_test_emulated", "swiftep_test_exact"


@dataclass(frozen=True)
class Shape:
    """Sizes of a model; `tiny` suits the simulator, `full` has a layer of DeepSeek-V3 with fewer experts."""

    hidden: int = 256
    intermediate: int = 128
    experts: int = 8
    top_k: int = 2
    layers: int = 2
    vocabulary: int = 512
    heads: int = 4

    @classmethod
    def tiny(cls):
        return cls()

    @classmethod
    def full(cls, layers=4, experts=16):
        return cls(hidden=7168, intermediate=2048, experts=experts, top_k=8, layers=layers, vocabulary=4096, heads=16)


def configuration(shape):
    from transformers import DeepseekV3Config

    return DeepseekV3Config(
        vocab_size=shape.vocabulary,
        hidden_size=shape.hidden,
        intermediate_size=2 * shape.hidden,
        moe_intermediate_size=shape.intermediate,
        num_hidden_layers=shape.layers,
        num_attention_heads=shape.heads,
        num_key_value_heads=shape.heads,
        n_shared_experts=1,
        n_routed_experts=shape.experts,
        num_experts_per_tok=shape.top_k,
        n_group=1,
        topk_group=1,
        first_k_dense_replace=0,
        q_lora_rank=None,
        kv_lora_rank=64,
        qk_rope_head_dim=32,
        qk_nope_head_dim=32,
        v_head_dim=32,
        num_mtp_layers=0,
        bos_token_id=None,
        eos_token_id=None,
        routed_scaling_factor=2.5,
        max_position_embeddings=1024,
    )


def fp8_model(shape, device="cpu", seed=0):
    """A model in BF16 with FP8 experts, all weights drawn from `seed`."""
    from transformers import DeepseekV3ForCausalLM, FineGrainedFP8Config
    from transformers.integrations.finegrained_fp8 import FP8Experts, replace_with_fp8_linear

    before = torch.get_default_dtype()
    torch.set_default_dtype(torch.bfloat16)
    try:
        with torch.device(device):
            model = DeepseekV3ForCausalLM(configuration(shape)).eval()
    finally:
        torch.set_default_dtype(before)
    others = [name for name, module in model.named_modules() if isinstance(module, torch.nn.Linear)]
    replace_with_fp8_linear(model, modules_to_not_convert=others, quantization_config=FineGrainedFP8Config())
    generator = torch.Generator(device).manual_seed(seed)
    model.requires_grad_(False)
    for module in model.modules():
        if isinstance(module, FP8Experts):
            module.to_empty(device=device)
            fill_experts(module, generator)
    for name, parameter in model.named_parameters():
        if parameter.ndim == 2:
            scale = 1.0 if "embed_tokens" in name else parameter.shape[1] ** -0.5
            parameter.copy_(torch.randn(parameter.shape, generator=generator, device=device) * scale)
    return model.requires_grad_(False)


def fill_experts(module, generator):
    """FP8 values over most of their range, and scales that make a row's sum about as large as the row."""
    for name in ("gate_up_proj", "down_proj"):
        weights, scales = getattr(module, name), getattr(module, f"{name}_scale_inv")
        for values in weights:  # One expert at a time: Float32 draws of all take memory.
            drawn = torch.randn(values.shape, generator=generator, device=values.device) * 80
            values.copy_(drawn.clamp(-448, 448).to(values.dtype))
        spread = torch.rand(scales.shape, generator=generator, device=scales.device) + 0.5
        scales.copy_(spread / (80 * weights.shape[-1] ** 0.5))


def dequantised(model, dtype):
    """The same model with experts of `dtype` in transformers' ordinary class; all other weights `dtype` as well."""
    from transformers import DeepseekV3ForCausalLM

    source = dict(model.named_parameters())
    before = torch.get_default_dtype()
    torch.set_default_dtype(dtype)
    try:
        with torch.device(model.device):
            other = DeepseekV3ForCausalLM(configuration_of(model)).eval().requires_grad_(False)
    finally:
        torch.set_default_dtype(before)
    for name, parameter in other.named_parameters():
        scales = source.get(f"{name}_scale_inv")
        if scales is None:
            parameter.copy_(source[name])
            continue
        for expert in range(len(parameter)):
            parameter[expert].copy_(engines.dequantise_blocks(source[name][expert], scales[expert]))
    return other


def configuration_of(model):
    """A configuration of its own, since models choose implementations in theirs."""
    import copy

    other = copy.deepcopy(model.config)
    other._experts_implementation = "eager"
    return other


def register_references():
    """Experts implementations for FP8 experts, expert by expert in PyTorch: `EMULATED` rounds rows and activations to
    FP8 and sums to BF16 where the kernels do, `EXACT` computes in Float32 throughout."""
    from transformers.integrations.finegrained_fp8 import FP8ExpertsInterface

    def make(quantised):
        def forward(self, hidden_states, top_k_index, top_k_weights):
            return reference(self, hidden_states, top_k_index, top_k_weights, quantised).to(hidden_states.dtype)

        return forward

    FP8ExpertsInterface.register(EMULATED, make(True))
    FP8ExpertsInterface.register(EXACT, make(False))


def reference(module, hidden_states, index, weights, quantised):
    """What a module's experts give, in PyTorch; see `engines.layer_reference`."""
    lazy = [
        Dequantised(getattr(module, name), getattr(module, f"{name}_scale_inv"))
        for name in ("gate_up_proj", "down_proj")
    ]
    return engines.layer_reference(hidden_states, index, weights.float(), *lazy, quantised=quantised)


class Dequantised:
    """Float32 weights, of one expert when it is asked for."""

    def __init__(self, values, scales):
        self.values, self.scales, self.shape = values, scales, values.shape

    def __getitem__(self, expert):
        return engines.dequantise_blocks(self.values[expert], self.scales[expert])
