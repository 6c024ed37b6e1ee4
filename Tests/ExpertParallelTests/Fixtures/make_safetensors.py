"""Writes the checkpoint `tiny/` and `tiny-expected.json` that the tests read.

    pip install safetensors numpy && python make_safetensors.py

The files come from the safetensors library and the expected numbers from numpy, so that the Swift reader is checked
against neither itself nor its own writer. Expert 3 is BF16, the other experts are FP8.
"""

import json
import os

import numpy as np
from safetensors import TensorSpec, serialize_file

HIDDEN, INTERMEDIATE, EXPERTS, TOP_K, TOKENS, LAYER, SCALE = 128, 256, 4, 2, 5, 3, 2.5
here = os.path.dirname(os.path.abspath(__file__))
random = np.random.default_rng(20250101)

magnitudes = np.array(
    [m / 512 if e == 0 else (1 + m / 8) * 2.0 ** (e - 7) for e in range(16) for m in range(8)][:127])
halves = (magnitudes[:-1] + magnitudes[1:]) / 2


def e4m3(values):
    absolute = np.minimum(np.abs(values).astype(np.float64), 448)
    code = np.searchsorted(halves, absolute, side="left")
    tie = (code < 126) & (absolute == halves[np.minimum(code, 125)]) & (code % 2 == 1)
    return ((code + tie) | (np.signbit(values).astype(np.int64) << 7)).astype(np.uint8)


def e4m3_value(codes):
    return magnitudes[codes & 0x7F] * np.where(codes & 0x80, -1.0, 1.0)


def bf16(values):
    bits = np.asarray(values, np.float32).view(np.uint32).astype(np.uint64)
    return ((bits + 0x7FFF + ((bits >> 16) & 1)) >> 16).astype(np.uint16)


def bf16_value(bits):
    return (bits.astype(np.uint32) << 16).view(np.float32)


def blocks(scales):
    return np.repeat(np.repeat(scales, 128, 0), 128, 1).astype(np.float64)


tensors, summary, experts = {}, {}, {}


def add_matrix(name, rows, columns, as_bf16):
    weights = random.standard_normal((rows, columns)).astype(np.float32) / np.float32(np.sqrt(columns))
    if as_bf16:
        weights[:, :] = bf16_value(bf16(weights))
        if name.endswith("up_proj.weight"):
            weights[:128] = 0  # a block of zeros has the scale 1
        tensors[name] = ("bfloat16", bf16(weights))
    largest = np.abs(weights.reshape(rows // 128, 128, columns // 128, 128)).max((1, 3))
    scales = np.where(largest == 0, np.float32(1), largest / np.float32(448)).astype(np.float32)
    codes = e4m3(weights / blocks(scales).astype(np.float32))
    if not as_bf16:
        tensors[name] = ("float8_e4m3fn", codes)
        tensors[name + "_scale_inv"] = ("float32", scales)
    values = e4m3_value(codes) * blocks(scales)
    index = np.arange(codes.size, dtype=np.int64)
    summary[name] = {
        "rows": rows,
        "columns": columns,
        "checksum": int((codes.reshape(-1).astype(np.int64) * (index % 251 + 1)).sum()),
        "sum": float(values.sum()),
        "magnitude": float(np.abs(values).sum()),
        "scales": [float(scale) for scale in scales.reshape(-1)],
    }
    return values


def add_expert(prefix, as_bf16):
    return (
        add_matrix(prefix + "gate_proj.weight", INTERMEDIATE, HIDDEN, as_bf16),
        add_matrix(prefix + "up_proj.weight", INTERMEDIATE, HIDDEN, as_bf16),
        add_matrix(prefix + "down_proj.weight", HIDDEN, INTERMEDIATE, as_bf16),
    )


def run(expert, x):
    gate, up, down = expert
    g = gate @ x
    return down @ (g / (1 + np.exp(-g)) * (up @ x))


mlp = f"model.layers.{LAYER}.mlp."
gate = bf16(random.standard_normal((EXPERTS, HIDDEN)) / np.sqrt(HIDDEN))
bias = (random.standard_normal(EXPERTS) * 0.1).astype(np.float32)
tensors[mlp + "gate.weight"] = ("bfloat16", gate)
tensors[mlp + "gate.e_score_correction_bias"] = ("float32", bias)
shared = add_expert(mlp + "shared_experts.", False)
for e in range(EXPERTS):
    experts[e] = add_expert(f"{mlp}experts.{e}.", e == 3)

hidden = bf16(random.standard_normal((TOKENS, HIDDEN)))
chosen, weights, outputs = [], [], []
for x in bf16_value(hidden).astype(np.float64):
    scores = 1 / (1 + np.exp(-(bf16_value(gate).astype(np.float64) @ x)))
    order = np.argsort(-(scores + bias), kind="stable")[:TOP_K]
    factors = scores[order] / scores[order].sum() * SCALE
    chosen.append(order.tolist())
    weights.append(factors.tolist())
    outputs.append((sum(f * run(experts[e], x) for e, f in zip(order, factors)) + run(shared, x)).tolist())

directory = os.path.join(here, "tiny")
os.makedirs(directory, exist_ok=True)
names = sorted(tensors)
index = {"metadata": {"total_size": 0}, "weight_map": {}}
for shard in range(2):
    file = f"model-{shard + 1:05d}-of-00002.safetensors"
    part = {name: tensors[name] for name in names[shard::2]}
    kept = {name: np.ascontiguousarray(array) for name, (_, array) in part.items()}
    specs = {
        name: TensorSpec(
            dtype=kind, shape=list(array.shape), data_ptr=kept[name].ctypes.data, data_len=kept[name].nbytes)
        for name, (kind, array) in part.items()
    }
    serialize_file(specs, os.path.join(directory, file), {"format": "pt"})
    os.chmod(os.path.join(directory, file), 0o644)
    index["weight_map"].update({name: file for name in part})
    index["metadata"]["total_size"] += sum(array.nbytes for array in kept.values())

config = {
    "architectures": ["DeepseekV3ForCausalLM"],
    "model_type": "deepseek_v3",
    "hidden_size": HIDDEN,
    "moe_intermediate_size": INTERMEDIATE,
    "n_routed_experts": EXPERTS,
    "num_experts_per_tok": TOP_K,
    "n_shared_experts": 1,
    "n_group": 1,
    "topk_group": 1,
    "norm_topk_prob": True,
    "routed_scaling_factor": SCALE,
    "scoring_func": "sigmoid",
    "topk_method": "noaux_tc",
    "first_k_dense_replace": 3,
    "num_hidden_layers": LAYER + 1,
    "quantization_config": {
        "activation_scheme": "dynamic", "fmt": "e4m3", "quant_method": "fp8", "weight_block_size": [128, 128]},
}
expected = {
    "layer": LAYER,
    "matrices": summary,
    "gateSum": float(bf16_value(gate).astype(np.float64).sum()),
    "bias": [float(value) for value in bias],
    "bytes": index["metadata"]["total_size"],
    "hidden": hidden.reshape(-1).tolist(),
    "chosen": chosen,
    "weights": weights,
    "outputs": outputs,
}
for path, value in [("tiny/config.json", config), ("tiny/model.safetensors.index.json", index)]:
    with open(os.path.join(here, path), "w") as file:
        json.dump(value, file, indent=2)
        file.write("\n")
with open(os.path.join(here, "tiny-expected.json"), "w") as file:
    json.dump(expected, file)
    file.write("\n")
