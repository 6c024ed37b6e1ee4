"""Compares `definitions.py` with the blocks of transformers 5, for the families that it has.

    python3 compare_transformers.py

Optional: needs torch (CPU) and transformers. Weights are those of `generate.py`'s cases, dequantised; blocks run in FP64, but
routers compute in FP32.
"""

import importlib
import sys

import numpy as np
import torch

import definitions
import generate
from formats import Tensor, bf16_value

# model_type: module, block, configuration
BLOCKS = {
    "deepseek_v2": ("deepseek_v2", "DeepseekV2Moe", "DeepseekV2Config"),
    "deepseek_v3": ("deepseek_v3", "DeepseekV3MoE", "DeepseekV3Config"),
    "kimi_k2": ("deepseek_v3", "DeepseekV3MoE", "DeepseekV3Config"),
    "deepseek_v32": ("deepseek_v32", "DeepseekV32MoE", "DeepseekV32Config"),
    "glm4_moe": ("glm4_moe", "Glm4MoeMoE", "Glm4MoeConfig"),
    "glm4_moe_lite": ("glm4_moe_lite", "Glm4MoeLiteMoE", "Glm4MoeLiteConfig"),
    "glm_moe_dsa": ("glm_moe_dsa", "GlmMoeDsaMoE", "GlmMoeDsaConfig"),
    "solar_open": ("solar_open", "SolarOpenMoE", "SolarOpenConfig"),
    "dots1": ("dots1", "Dots1MoE", "Dots1Config"),
    "mimo_v2_flash": ("mimo_v2_flash", "MiMoV2FlashMoE", "MiMoV2FlashConfig"),
    "qwen2_moe": ("qwen2_moe", "Qwen2MoeSparseMoeBlock", "Qwen2MoeConfig"),
    "qwen3_moe": ("qwen3_moe", "Qwen3MoeSparseMoeBlock", "Qwen3MoeConfig"),
    "qwen3_next": ("qwen3_next", "Qwen3NextSparseMoeBlock", "Qwen3NextConfig"),
    "qwen3_5_moe": ("qwen3_5_moe", "Qwen3_5MoeSparseMoeBlock", "Qwen3_5MoeTextConfig"),
    "mixtral": ("mixtral", "MixtralSparseMoeBlock", "MixtralConfig"),
    "minimax_m2": ("minimax_m2", "MiniMaxM2SparseMoeBlock", "MiniMaxM2Config"),
    "ernie4_5_moe": ("ernie4_5_moe", "Ernie4_5_MoeSparseMoeBlock", "Ernie4_5_MoeConfig"),
    "hunyuan_v1_moe": ("hunyuan_v1_moe", "HunYuanMoEV1Moe", "HunYuanMoEV1Config"),
    "deepseek_v4": ("deepseek_v4", "DeepseekV4SparseMoeBlock", "DeepseekV4Config"),
    "glm5_next": ("glm5_next", "Glm5NextTextMoE", "Glm5NextTextConfig"),
    "minimax_m3_vl": ("minimax_m3_vl", "MiniMaxM3VLSparseMoeBlock", "MiniMaxM3VLTextConfig"),
    "step3p5": ("step3p7", "Step3p7SparseMoeBlock", "Step3p7TextConfig"),
}
# Our tensor after the layer's part: the block's parameter.
NAMES = {
    "gate.weight": "gate.weight", "gate.wg.weight": "gate.wg.weight", "moe.gate.weight": "gate.weight",
    "gate.e_score_correction_bias": "gate.e_score_correction_bias", "e_score_correction_bias": "e_score_correction_bias",
    "moe_statics.e_score_correction_bias": "gate.moe_statics.e_score_correction_bias",
    "gate.bias": "gate.e_score_correction_bias", "moe.router_bias": "gate.e_score_correction_bias", "shared_expert_gate.weight": "shared_expert_gate.weight",
}
SHARED = {"shared_experts.": "shared_experts.", "shared_expert.": "shared_expert.", "shared_mlp.": "shared_mlp.",
          "share_expert.": "shared_experts."}


def make_block(kind, config):
    module, block, configuration = BLOCKS[kind]
    inner = {**(config.get("text_config") or config)}
    for key in ("model_type", "quantization_config"):
        inner.pop(key, None)
    settings = getattr(importlib.import_module(f"transformers.models.{module}.configuration_{module}"), configuration)(
        **{key: value for key, value in inner.items() if value is not None})
    settings._experts_implementation = "eager"
    make = getattr(importlib.import_module(f"transformers.models.{module}.modeling_{module}"), block)
    try:
        return make(settings, generate.LAYER)
    except TypeError:
        return make(settings)


def load(block, config, tensors, prefix):
    inner = config.get("text_config") or config
    declared = {**inner, "quantization_config": config.get("quantization_config")}
    hidden = inner["hidden_size"]
    parameters = {**dict(block.named_parameters()), **dict(block.named_buffers())}
    loaded = set()

    def put(name, values):
        with torch.no_grad():
            parameters[name].copy_(torch.from_numpy(np.ascontiguousarray(values)).reshape(parameters[name].shape))
        loaded.add(name)

    for ours, theirs in NAMES.items():
        if prefix + ours in tensors:
            put(theirs if theirs in parameters else "gate." + theirs, tensors[prefix + ours].values())
    count, width = generate.E, generate.I
    sizes = definitions.Sizes(hidden, width, count, 1)
    if prefix.endswith(".ffn."):
        shapes = (("w1", (width, hidden)), ("w3", (width, hidden)), ("w2", (hidden, width)))
        named = lambda base: [definitions.v4_weights(declared, tensors, f"{base}.{name}", shape) for name, shape in shapes]
        experts = [named(f"{prefix}experts.{e}") for e in range(count)]
        for name, values in zip(("gate_proj", "up_proj", "down_proj"), named(prefix + "shared_experts")):
            put(f"shared_experts.{name}.weight", values)
    elif prefix + "moe.gate_proj.weight" in tensors:
        stack = [
            definitions.weights(declared, tensors, prefix + "moe." + name, shape)
            for name, shape in (("gate_proj", (count, width, hidden)), ("up_proj", (count, width, hidden)),
                                ("down_proj", (count, hidden, width)))]
        experts = [[matrix[e] for matrix in stack] for e in range(count)]
    else:
        names = ("w1", "w3", "w2") if prefix.endswith("block_sparse_moe.") else ("gate_proj", "up_proj", "down_proj")
        experts = definitions.single_experts(declared, tensors, prefix + "experts.", sizes, names)
    put("experts.gate_up_proj", np.stack([np.concatenate([gate, up]) for gate, up, _ in experts]))
    put("experts.down_proj", np.stack([down for _, _, down in experts]))
    for ours, theirs in SHARED.items():
        for name in ("gate_proj", "up_proj", "down_proj"):
            parameter = parameters.get(f"{theirs}{name}.weight")
            if parameter is not None and any(key.startswith(f"{prefix}{ours}{name}.weight") for key in tensors):
                put(f"{theirs}{name}.weight",
                    definitions.weights(declared, tensors, prefix + ours + name, tuple(parameter.shape)))
    if "shared_experts.gate_up_proj.weight" in parameters:
        shared = definitions.mlp(declared, tensors, prefix + "shared_experts.", hidden, inner["shared_intermediate_size"])
        put("shared_experts.gate_up_proj.weight", np.concatenate(shared[:2]))
    missing = set(parameters) - loaded
    if missing:
        raise RuntimeError(f"not loaded: {sorted(missing)}")


def main():
    worst, skipped = 0.0, []
    for name, (kind, _, _, _, part) in generate.CASES.items():
        if kind not in BLOCKS:
            skipped.append(name)
            continue
        config, tensors, random = generate.build(name)
        table = {tensor[0]: Tensor(*tensor[1:]) for tensor in tensors}
        hidden = generate.hidden_states(random, generate.H)
        expected = np.array(generate.expectation(config, tensors, hidden)["outputs"])
        block = make_block(kind, config).double().eval()
        load(block, config, table, f"{generate.PREFIXES.get(kind, 'model.layers.')}{generate.LAYER}.{part}")
        with torch.no_grad():
            x = torch.from_numpy(bf16_value(hidden))[None]
            output = block(x)
        output = (output[0] if isinstance(output, tuple) else output)[0].numpy()
        error = np.linalg.norm(output - expected) / np.linalg.norm(expected)
        worst = max(worst, error)
        print(f"{name}: {error:.1e}")
        if not error < 1e-5:
            sys.exit(f"{name}: transformers and definitions.py differ")
    print(f"agree within {worst:.1e}; not in transformers: {', '.join(skipped)}")


if __name__ == "__main__":
    main()
