"""Writes a small checkpoint for each case, and beside it what `definitions.py` says of its layer.

    python3 generate.py DIRECTORY [CASE...]

`expected.json` holds the layer, the hidden states as BF16 bits, the chosen experts, their weights, where the shared expert has a
gate its weights, and the layer's output; where scales of activations are to be powers of two, SwiGLU is clamped, or weights have a
scale for each row, also the output `rounded`, of activations that are rounded by 128 channels.
"""

import json
import os
import sys

import numpy as np

import definitions
import formats
from formats import Tensor, bf16, bf16_value, e4m3

FP8 = {"quant_method": "fp8", "fmt": "e4m3", "activation_scheme": "dynamic", "weight_block_size": [128, 128]}


def packed(bits, kind, **activations):
    group = {"targets": ["Linear"], "weights": {"num_bits": bits, "type": kind, "symmetric": True, "dynamic": False}}
    return {
        "quant_method": "compressed-tensors", "format": "mixed-precision",
        "config_groups": {"group_0": {**group, "input_activations": activations or None}}}


METHODS = {
    "bf16": None,
    "fp8": FP8,
    "fp8-bf16": FP8,
    "fp8-e8m0": FP8,
    "fp8-power": {**FP8, "scale_fmt": "ue8m0"},
    "fp8-named": {**FP8, "scale_fmt": "ue8m0"},
    "fp4-named": {**FP8, "scale_fmt": "ue8m0"},
    "fp8-tensor": {"quant_method": "fp8", "activation_scheme": "dynamic"},
    "fp8-blocks": packed(
        8, "float", num_bits=8, type="float", symmetric=True, dynamic=True, strategy="group", group_size=128),
    "fp8-rows": packed(8, "float", num_bits=8, type="float", symmetric=True, dynamic=True, strategy="token"),
    "int4": packed(4, "int"),
    "mxfp4": packed(4, "float"),
    "nvfp4": {"quant_method": "modelopt", "quant_algo": "NVFP4", "group_size": 16},
}


class Builder:
    """Random tensors of a layer, as files hold them."""

    def __init__(self, seed, storage, loud=1):
        self.random = np.random.default_rng(seed)
        self.storage = storage
        # Factor on the matrices of experts, a power of two.
        self.loud = loud
        self.tensors = []

    def add(self, name, kind, array):
        self.tensors.append((name, kind, array.shape, np.ascontiguousarray(array).tobytes()))

    def plain(self, name, shape, deviation, kind="BF16"):
        values = self.random.standard_normal(shape) * deviation
        self.add(name, kind, bf16(values) if kind == "BF16" else values.astype(np.float32))

    def matrix(self, base, *shape, parameter=False):
        name = base if parameter else base + ".weight"
        *stack, rows, columns = shape
        if self.storage == "bf16":
            return self.plain(name, shape, self.loud * columns ** -0.5)
        if self.storage in ("int4", "mxfp4", "nvfp4", "fp4-named"):
            return self.four_bits(base, rows, columns)
        self.add(name, "F8_E4M3", e4m3(self.random.standard_normal(shape) * 120))
        if self.storage == "fp8-rows":
            scales = self.loud * columns ** -0.5 / 120 * (0.25 + 1.5 * self.random.random((*stack, rows, 1)))
            return self.add(name + "_scale", "F32", scales.astype(np.float32))
        scales = self.loud * columns ** -0.5 / 120 * (0.5 + self.random.random((*stack, -(-rows // 128), -(-columns // 128))))
        if self.storage == "fp8-tensor":
            return self.add(name + "_scale", "F32", scales.reshape(-1)[:1].astype(np.float32).reshape(()))
        if self.storage == "fp8-blocks":
            return self.add(name + "_scale", "BF16", bf16(scales))
        if self.storage == "fp8-bf16":
            return self.add(name + "_scale_inv", "BF16", bf16(scales))
        exponents = np.round(np.log2(scales)).astype(np.int64)
        if self.storage == "fp8-named":
            return self.add(base + ".scale", "F8_E8M0", (exponents + 127).astype(np.uint8))
        if self.storage == "fp8-e8m0":
            return self.add(name + "_scale_inv", "F8_E8M0", (exponents + 127).astype(np.uint8))
        scales = np.exp2(exponents) if self.storage == "fp8-power" else scales
        return self.add(name + "_scale_inv", "F32", scales.astype(np.float32))

    def four_bits(self, base, rows, columns):
        """Scales are powers of two near each other, so that FP8 holds the weights."""
        codes = self.random.integers(0, 16, (rows, columns), dtype=np.uint32)
        if self.storage == "int4":
            words = (codes.reshape(rows, columns // 8, 8) << (4 * np.arange(8, dtype=np.uint32))).sum(-1, dtype=np.uint32)
            self.add(base + ".weight_packed", "I32", words)
            self.add(base + ".weight_scale", "BF16", bf16(np.exp2(self.random.integers(-8, -4, (rows, columns // 32)))))
            return self.add(base + ".weight_shape", "I64", np.array([rows, columns], np.int64))
        pairs = (codes[:, ::2] | codes[:, 1::2] << 4).astype(np.uint8)
        if self.storage == "fp4-named":
            shift = int(np.log2(self.loud))
            self.add(base + ".weight", "I8", pairs)
            return self.add(
                base + ".scale", "F8_E8M0",
                self.random.integers(119 + shift, 124 + shift, (rows, columns // 32), dtype=np.uint8))
        if self.storage == "mxfp4":
            self.add(base + ".weight_packed", "U8", pairs)
            return self.add(
                base + ".weight_scale", "U8", self.random.integers(119, 124, (rows, columns // 32), dtype=np.uint8))
        self.add(base + ".weight", "U8", pairs)
        self.add(base + ".weight_scale", "F8_E4M3", e4m3(np.exp2(self.random.integers(-3, 3, (rows, columns // 16)))))
        self.add(base + ".weight_scale_2", "F32", np.float32(0.0123).reshape(()))
        return self.add(base + ".input_scale", "F32", np.float32(1).reshape(()))

    def mlp(self, prefix, hidden, width, names=("gate_proj", "up_proj", "down_proj"), storages=(None,) * 3):
        """`storages` are those of its matrices where they are not those of the layer."""
        usual = self.storage
        for name, shape, own in zip(names, ((width, hidden), (width, hidden), (hidden, width)), storages):
            self.storage = own or usual
            self.matrix(prefix + name, *shape)
        self.storage = usual

    def experts(self, prefix, count, hidden, width, names=("gate_proj", "up_proj", "down_proj"), fused=False):
        if fused:
            self.matrix(prefix + "gate_up_proj", count, 2 * width, hidden, parameter=True)
            self.matrix(prefix + "down_proj", count, hidden, width, parameter=True)
        else:
            for expert in range(count):
                self.mlp(f"{prefix}{expert}.", hidden, width, names)


# Channels, width of an expert, experts and chosen ones: smaller for the many directories of mutate.py, those of published models
# for real_sizes.py.
H, I, E, K = map(int, os.environ.get("FAMILIES_SIZES", "256,128,8,3").split(","))


def deepseek(builder, prefix, config, shared="shared_experts.", fused=False, storages=(None,) * 3):
    inner = config.get("text_config") or config
    builder.plain(prefix + "gate.weight", (E, H), H ** -0.5)
    builder.experts(prefix + "experts.", E, H, I, fused=fused)
    count = inner.get("n_shared_experts", inner.get("num_shared_experts", inner.get("moe_num_shared_experts", 1)))
    if shared and count:
        builder.mlp(prefix + shared, H, inner.get("shared_expert_intermediate_size", count * I), storages=storages)


def with_bias(name="gate.e_score_correction_bias", shape=(E,), kind="F32", **arguments):
    def build(builder, prefix, config):
        deepseek(builder, prefix, config, **arguments)
        builder.plain(prefix + name, shape, 0.2, kind)

    return build


def gated(**arguments):
    def build(builder, prefix, config):
        deepseek(builder, prefix, config, shared="shared_expert.", **arguments)
        builder.plain(prefix + "shared_expert_gate.weight", (1, H), H ** -0.5)

    return build


def without_shared(**arguments):
    return lambda builder, prefix, config: deepseek(builder, prefix, config, shared=None, **arguments)


def build_mixtral(bias):
    def build(builder, prefix, config):
        builder.plain(prefix + "gate.weight", (E, H), H ** -0.5)
        builder.experts(prefix + "experts.", E, H, I, ("w1", "w3", "w2"))
        if bias:
            builder.plain(prefix + "e_score_correction_bias", (E,), 0.2)

    return build


def build_v4(builder, prefix, config):
    builder.plain(prefix + "gate.weight", (E, H), H ** -0.5)
    builder.plain(prefix + "gate.bias", (E,), 0.2, "F32")
    builder.experts(prefix + "experts.", E, H, I, ("w1", "w3", "w2"))
    builder.storage = "fp8-named"
    builder.mlp(prefix + "shared_experts.", H, I, ("w1", "w3", "w2"))


def build_m3(builder, prefix, config):
    build_mixtral(True)(builder, prefix, config)
    builder.mlp(prefix + "shared_experts.", H, 2 * I)


def build_hunyuan(builder, prefix, config):
    builder.plain(prefix + "gate.wg.weight", (E, H), H ** -0.5, "F32")
    builder.experts(prefix + "experts.", E, H, I)
    builder.mlp(prefix + "shared_mlp.", H, I)


def build_step(builder, prefix, config):
    builder.plain(prefix + "moe.gate.weight", (E, H), H ** -0.5)
    builder.plain(prefix + "moe.router_bias", (E,), 0.2, "F32")
    for name, shape in (("gate_proj", (E, I, H)), ("up_proj", (E, I, H)), ("down_proj", (E, H, I))):
        builder.matrix(prefix + "moe." + name, *shape)
    builder.mlp(prefix + "share_expert.", H, config["share_expert_dim"])


SIZES = {"hidden_size": H, "moe_intermediate_size": I, "num_hidden_layers": 2, "num_experts_per_tok": K}
DEEPSEEK = {
    **SIZES, "n_routed_experts": E, "n_shared_experts": 1, "n_group": E // 2, "topk_group": E // 4, "norm_topk_prob": True,
    "routed_scaling_factor": 2.5, "scoring_func": "sigmoid", "topk_method": "noaux_tc", "first_k_dense_replace": 1,
    "moe_layer_freq": 1, "hidden_act": "silu"}
GLM = {
    **SIZES, "n_routed_experts": E, "n_shared_experts": 1, "n_group": 1, "topk_group": 1, "norm_topk_prob": True,
    "routed_scaling_factor": 2.5, "first_k_dense_replace": 1, "num_nextn_predict_layers": 1, "hidden_act": "silu"}
V4 = {
    **SIZES, "n_routed_experts": E, "n_shared_experts": 1, "norm_topk_prob": True, "routed_scaling_factor": 1.5,
    "scoring_func": "sqrtsoftplus", "topk_method": "noaux_tc", "num_hash_layers": 1, "swiglu_limit": 10.0,
    "num_nextn_predict_layers": 1, "hidden_act": "silu"}
STEP = {
    "hidden_size": H, "moe_intermediate_size": I, "num_hidden_layers": 2, "moe_top_k": K, "moe_num_experts": E,
    "moe_layers_enum": "1", "moe_router_activation": "sigmoid", "moe_router_scaling_factor": 3.0,
    "use_moe_router_bias": True, "norm_expert_weight": True, "share_expert_dim": 2 * I}
QWEN = {**SIZES, "num_experts": E, "hidden_act": "silu", "decoder_sparse_step": 1, "mlp_only_layers": []}
SHARED_WIDTH = {"shared_expert_intermediate_size": 2 * I}

# name: (model_type, configuration, storage, builder, prefix in a layer)
CASES = {
    "deepseek-v3": ("deepseek_v3", DEEPSEEK, "fp8", with_bias(), "mlp."),
    "deepseek-v3-prediction": (
        "deepseek_v3", {**DEEPSEEK, "num_nextn_predict_layers": 1, "num_hidden_layers": 1}, "fp8", with_bias(), "mlp."),
    "deepseek-v3-e8m0": ("deepseek_v3", DEEPSEEK, "fp8-e8m0", with_bias(kind="BF16"), "mlp."),
    "deepseek-v3.1": ("deepseek_v3", DEEPSEEK, "fp8-power", with_bias(), "mlp."),
    "deepseek-v3.2": (
        "deepseek_v32", {**DEEPSEEK, "mlp_layer_types": ["dense", "sparse"]}, "fp8-power", with_bias(), "mlp."),
    "deepseek-v2": (
        "deepseek_v2",
        {**DEEPSEEK, "scoring_func": "softmax", "topk_method": "group_limited_greedy", "norm_topk_prob": False,
         "routed_scaling_factor": 16.0, "n_shared_experts": 2},
        "bf16", deepseek, "mlp."),
    "deepseek-v2-lite": (
        "deepseek_v2",
        {**DEEPSEEK, "scoring_func": "softmax", "topk_method": "greedy", "norm_topk_prob": False,
         "routed_scaling_factor": 1.0, "n_group": 1, "topk_group": 1},
        "bf16", deepseek, "mlp."),
    "kimi-k2": ("kimi_k2", {**DEEPSEEK, "n_group": 1, "topk_group": 1}, "fp8", with_bias(), "mlp."),
    "kimi-k2-int4": ("kimi_k2", {**DEEPSEEK, "n_group": 1, "topk_group": 1}, "int4", with_bias(), "mlp."),
    "glm-4.5": ("glm4_moe", GLM, "bf16", with_bias(), "mlp."),
    "glm-4.7-flash": ("glm4_moe_lite", {**GLM, "routed_scaling_factor": 1.8, "topk_method": "noaux_tc"}, "bf16",
                      with_bias(), "mlp."),
    "glm-5": ("glm_moe_dsa", {**GLM, "scoring_func": "sigmoid", "topk_method": "noaux_tc"}, "fp8", with_bias(), "mlp."),
    "solar-open": (
        "solar_open",
        {key: value for key, value in GLM.items()
         if key not in ("n_group", "topk_group", "first_k_dense_replace", "num_nextn_predict_layers")},
        "bf16", with_bias(), "mlp."),
    "dots1": ("dots1", {**DEEPSEEK, "scoring_func": "noaux_tc", "n_group": 1, "topk_group": 1, "n_shared_experts": 2},
              "bf16", with_bias(), "mlp."),
    "mimo-v2": (
        "mimo_v2_flash",
        {**{key: value for key, value in DEEPSEEK.items() if key != "first_k_dense_replace"}, "n_group": 1,
         "topk_group": 1, "n_shared_experts": None, "routed_scaling_factor": None, "moe_layer_freq": [0, 1]},
        "fp8", with_bias(shared=None), "mlp."),
    "qwen2-moe": ("qwen2_moe", {**QWEN, **SHARED_WIDTH}, "bf16", gated(), "mlp."),
    "qwen3-moe": ("qwen3_moe", {**QWEN, "norm_topk_prob": True}, "bf16", without_shared(), "mlp."),
    "qwen3-moe-fp8": ("qwen3_moe", {**QWEN, "norm_topk_prob": True}, "fp8-bf16", without_shared(), "mlp."),
    "qwen3-moe-blocks": ("qwen3_moe", {**QWEN, "norm_topk_prob": True}, "fp8-blocks", without_shared(), "mlp."),
    "qwen3-moe-stacked": ("qwen3_moe", {**QWEN, "norm_topk_prob": True}, "bf16", without_shared(fused=True), "mlp."),
    "qwen3-moe-stacked-fp8": ("qwen3_moe", {**QWEN, "norm_topk_prob": True}, "fp8", without_shared(fused=True), "mlp."),
    "qwen3-moe-tensor": ("qwen3_moe", {**QWEN, "norm_topk_prob": True}, "fp8-tensor", without_shared(), "mlp."),
    "qwen3-moe-mxfp4": ("qwen3_moe", {**QWEN, "norm_topk_prob": True}, "mxfp4", without_shared(), "mlp."),
    "qwen3-moe-nvfp4": ("qwen3_moe", {**QWEN, "norm_topk_prob": True}, "nvfp4", without_shared(), "mlp."),
    "qwen3-next": ("qwen3_next", {**QWEN, **SHARED_WIDTH, "norm_topk_prob": True}, "bf16", gated(), "mlp."),
    "qwen3.5-moe": (
        "qwen3_5_moe", {"text_config": {**SIZES, "num_experts": E, "hidden_act": "silu", **SHARED_WIDTH}}, "bf16",
        gated(fused=True), "mlp."),
    "mixtral": (
        "mixtral", {"hidden_size": H, "intermediate_size": I, "num_hidden_layers": 2, "num_experts_per_tok": 2,
                    "num_local_experts": E, "hidden_act": "silu"},
        "bf16", build_mixtral(False), "block_sparse_moe."),
    "minimax-m2": (
        "minimax_m2", {"hidden_size": H, "intermediate_size": I, "num_hidden_layers": 2, "num_experts_per_tok": K,
                       "num_local_experts": E, "scoring_func": "sigmoid", "use_routing_bias": True,
                       "shared_intermediate_size": 0, "num_mtp_modules": 3, "use_mtp": True},
        "fp8", build_mixtral(True), "block_sparse_moe."),
    "ernie-4.5": (
        "ernie4_5_moe", {"hidden_size": H, "moe_intermediate_size": I, "num_hidden_layers": 2, "moe_k": K,
                         "moe_num_experts": E, "moe_num_shared_experts": 2, "moe_layer_start_index": 1,
                         "moe_layer_end_index": 1, "moe_layer_interval": 1, "moe_use_aux_free": True},
        "bf16", with_bias("moe_statics.e_score_correction_bias", (1, E)), "mlp."),
    "ling-1": (
        "bailing_moe", {**SIZES, "num_experts": E, "num_shared_experts": 2, "norm_topk_prob": True}, "bf16", deepseek,
        "mlp."),
    "ling-2": (
        "bailing_moe_v2",
        {**SIZES, "num_experts": E, "num_shared_experts": 1, "n_group": E // 2, "topk_group": E // 4, "score_function": "sigmoid",
         "norm_topk_prob": True, "routed_scaling_factor": 2.5, "moe_router_enable_expert_bias": True,
         "first_k_dense_replace": 1, "moe_shared_expert_intermediate_size": I},
        "fp8", with_bias("gate.expert_bias"), "mlp."),
    "hunyuan": (
        "hunyuan_v1_moe",
        {"hidden_size": H, "moe_intermediate_size": [I, I], "num_hidden_layers": 2, "moe_topk": [K, K], "num_experts": E,
         "num_shared_expert": [1, 1], "use_mixed_mlp_moe": True, "norm_topk_prob": True, "intermediate_size": I},
        "bf16", build_hunyuan, "mlp."),
    "step-3.5": ("step3p5", {**STEP, "swiglu_limits": [7.0, 0.0], "swiglu_limits_shared": None}, "fp8", build_step, ""),
    "step-3.5-clamped": (
        "step3p5", {**STEP, "swiglu_limits": [0.0, 7.0, 0.0], "swiglu_limits_shared": [0.0, 16.0, 0.0]}, "fp8", build_step, ""),
    "deepseek-v4": ("deepseek_v4", {**V4, "expert_dtype": "fp4"}, "fp4-named", build_v4, "ffn."),
    "deepseek-v4-base": ("deepseek_v4", {**V4, "expert_dtype": "fp8"}, "fp8-named", build_v4, "ffn."),
    "glm-5.3-flash": (
        "glm5_next",
        {"text_config": {**GLM, "scoring_func": "sigmoid", "mlp_layer_types": ["dense", "sparse"], "swiglu_limit": 10.0}},
        "fp8", with_bias(), "mlp."),
    "minimax-m3": (
        "minimax_m3_vl",
        {"text_config": {
            "hidden_size": H, "intermediate_size": I, "num_hidden_layers": 2, "num_experts_per_tok": K,
            "num_local_experts": E, "n_shared_experts": 1, "shared_intermediate_size": 2 * I, "scoring_func": "sigmoid",
            "use_routing_bias": True, "routed_scaling_factor": 2.0, "moe_layer_freq": [0, 1], "hidden_act": "swigluoai",
            "swiglu_alpha": 1.702, "swiglu_limit": 7.0}},
        "bf16", build_m3, "block_sparse_moe."),
    "glm-4.5-fp8": ("glm4_moe", GLM, "fp8-rows", with_bias(), "mlp."),
    # What `ignore` names stays in BF16, and groups of a configuration may differ: one shared expert in three formats.
    "glm-4.5-fp8-mixed": (
        "glm4_moe", {**GLM, "n_shared_experts": 2}, "fp8-rows", with_bias(storages=("bf16", "fp8-rows", "fp8-blocks")),
        "mlp."),
}
PREFIXES = {
    "qwen3_5_moe": "model.language_model.layers.", "glm5_next": "model.language_model.layers.", "deepseek_v4": "layers.",
    "minimax_m3_vl": "language_model.model.layers."}
# Cases whose experts are so loud that values are beyond the limits of SwiGLU.
LOUD = {"step-3.5-clamped": 8, "deepseek-v4": 8, "deepseek-v4-base": 8, "glm-5.3-flash": 8, "minimax-m3": 8}
LAYER, TOKENS = 1, 4


def build(name, seed=7):
    """The configuration and the tensors of a case."""
    kind, config, storage, builder_of, part = CASES[name]
    config = {"model_type": kind, **json.loads(json.dumps(config))}
    if METHODS[storage]:
        config["quantization_config"] = METHODS[storage]
    builder = Builder([seed, list(CASES).index(name)], storage, LOUD.get(name, 1))
    builder_of(builder, f"{PREFIXES.get(kind, 'model.layers.')}{LAYER}.{part}", config)
    return config, builder.tensors, builder.random


def hidden_states(random, hidden):
    return bf16(random.standard_normal((TOKENS, hidden)))


def defined(config, tensors, hidden, number=LAYER):
    table = {tensor[0]: Tensor(*tensor[1:]) for tensor in tensors}
    return definitions.layer(config, table, number, bf16_value(hidden))


def expectation(config, tensors, hidden):
    layer = defined(config, tensors, hidden)
    output = layer.output()
    if not np.isfinite(output).all():
        raise definitions.Undefined("the output is not finite")
    gate = {} if layer.shared_factor is None else {"shared_weights": layer.shared_factor.tolist()}
    return {"chosen": layer.chosen.tolist(), "weights": layer.factors.tolist(), "outputs": output.tolist(), **gate}


def rounded(name, config, tensors, hidden):
    """The output with rounded activations, where the configuration asks for scales that are powers of two, for limits, or for
    one scale of a token, instead of which there is one for each 128 channels."""
    method = config.get("quantization_config", {})
    powers = method.get("scale_fmt") == "ue8m0"
    if not powers and name not in LOUD and method != METHODS["fp8-rows"]:
        return {}
    rounding = definitions.in_powers if powers else definitions.in_groups
    output = defined(config, tensors, hidden).output(definitions.rounded_swiglu(rounding))
    return {"rounded": bf16_value(bf16(output)).tolist()}


def clamped(config, tensors, hidden):
    """Which part of the values of the chosen experts, and of the shared one's, the limits of SwiGLU change."""
    layer = defined(config, tensors, hidden)

    def part(rows):
        return np.mean([
            glu(x @ gate.T, x @ up.T) != glu.free(x @ gate.T, x @ up.T) for x, (gate, up, _), glu in rows])

    chosen = [(layer.x[t], layer.experts[e], layer.glu) for t in range(TOKENS) for e in layer.chosen[t]]
    return part(chosen), part([(x, layer.shared, layer.shared_glu) for x in layer.x])


def save(directory, config, tensors, expected):
    os.makedirs(directory)
    with open(os.path.join(directory, "config.json"), "w") as file:
        json.dump(config, file)
    formats.write(os.path.join(directory, "model.safetensors"), tensors)
    with open(os.path.join(directory, "expected.json"), "w") as file:
        json.dump(expected, file)


def main(directory, *names):
    for name in names or CASES:
        config, tensors, random = build(name)
        hidden = hidden_states(random, H)
        expected = {"layer": LAYER, "hidden": hidden.reshape(-1).tolist(), **expectation(config, tensors, hidden),
                    **rounded(name, config, tensors, hidden)}
        if name in LOUD and not min(clamped(config, tensors, hidden)) > 0.1:
            sys.exit(f"{name}: hardly anything is clamped")
        save(os.path.join(directory, name), config, tensors, expected)


if __name__ == "__main__":
    main(*sys.argv[1:])
