"""The mixture-of-experts layer of each family, written from the models' own definitions with numpy.

`layer(config, tensors, number, hidden)` gives a `Layer`: the chosen experts, their weights and the output. Sources are the
models' code in transformers (deepseek_v2, deepseek_v3, glm4_moe, qwen2_moe, ...), vLLM (step3p5, hunyuan_v1, bailing_moe) and
the remote code of Ling; transformers' deepseek_v4, step3p7, glm5_next and minimax_m3_vl for clamped SwiGLU; for rounded activations kernel.py of DeepSeek-V3.1's inference code. Nothing here comes from the Swift sources that it checks.
"""

import numpy as np

from formats import E2M1, bf16, bf16_value, e4m3, e4m3_value, in_blocks, spread


class Undefined(Exception):
    """The family does not define a layer for this configuration and these tensors."""


def need(config, key, kind, *default):
    value = config.get(key)
    if value is None:
        if default:
            return default[0]
        raise Undefined(f"{key} is missing")
    if kind is float and isinstance(value, int) and not isinstance(value, bool):
        value = float(value)
    if kind is int and isinstance(value, float) and value.is_integer():
        value = int(value)
    if not isinstance(value, kind) or (kind in (int, float) and isinstance(value, bool)):
        raise Undefined(f"{key} is {value!r}")
    return value


def check(condition, what):
    if not condition:
        raise Undefined(what)


def best(scores, count):
    """The indices of the largest scores of each row, the largest first, the lower index first among equals."""
    return np.argsort(-scores, axis=-1, kind="stable")[:, :count]


def sigmoid(x):
    with np.errstate(over="ignore"):
        return 1 / (1 + np.exp(-x))


def softmax(x):
    powers = np.exp(x - x.max(-1, keepdims=True))
    return powers / powers.sum(-1, keepdims=True)


# Tensors


def get(tensors, name, shape, kinds=("BF16", "F32")):
    check(name in tensors, f"{name} is missing")
    tensor = tensors[name]
    check(tensor.kind in kinds and tensor.shape == tuple(shape), f"{name} is {tensor.kind} {tensor.shape}")
    values = tensor.values()
    check(np.isfinite(values).all(), f"{name} is not finite")
    if tensor.kind == "F8_E4M3":
        check((tensor.array() & 0x7F != 0x7F).all(), f"{name} is not finite")
    return values


def weights(config, tensors, base, shape, parameter=False, above=1):
    """The values of a matrix, or of a stack of them, `above` of which may lie above each other; BF16 ones as FP8 in blocks of
    each keeps them."""
    method = (config.get("quantization_config") or {}).get("quant_method")
    *stack, rows, columns = shape
    if base + ".weight_packed" in tensors:
        check(method == "compressed-tensors", "the method does not pack")
        packed = tensors[base + ".weight_packed"]
        if packed.kind == "I32":
            words = packed.array().reshape(rows, columns // 8, 1)
            numbers = ((words >> (4 * np.arange(8, dtype=np.uint32))) & 15).astype(np.float64).reshape(rows, columns) - 8
            return numbers * np.repeat(get(tensors, base + ".weight_scale", (rows, columns // 32)), 32, 1)
        codes = packed.array()
        values = E2M1[np.stack([codes & 15, codes >> 4], -1).reshape(rows, columns)]
        exponents = tensors[base + ".weight_scale"].array().astype(np.float64)
        return values * np.repeat(np.exp2(exponents - 127), 32, 1)
    name = base if parameter else base + ".weight"
    check(name in tensors, f"{name} is missing")
    if tensors[name].kind == "BF16":
        return in_blocks(get(tensors, name, shape).reshape(*stack, above, rows // above, columns)).reshape(shape)
    check(method is not None, "quantised weights without a method")
    if tensors[name].kind == "U8":
        codes = tensors[name].array()
        values = E2M1[np.stack([codes & 15, codes >> 4], -1).reshape(rows, columns)]
        scales = np.repeat(get(tensors, base + ".weight_scale", (rows, columns // 16), ("F8_E4M3",)), 16, 1)
        return values * scales * float(tensors[base + ".weight_scale_2"].values())
    values = get(tensors, name, shape, ("F8_E4M3",))
    inverse = name + "_scale_inv"
    if inverse not in tensors:
        scale = tensors.get(name + "_scale")
        check(scale is not None, f"{inverse} is missing")
        if int(np.prod(scale.shape)) == 1:
            return values * float(scale.values().reshape(()))
        if scale.shape[-1] == -(-columns // 128) and scale.shape[-2] == -(-rows // 128):
            return values * spread(get(tensors, name + "_scale", scale.shape), rows, columns)
        return values * get(tensors, name + "_scale", (*stack, rows, 1))
    ceil = lambda size: -(-size // 128)
    scales = get(tensors, inverse, (*stack, ceil(rows), ceil(columns)), ("F32", "BF16", "F8_E8M0"))
    return values * spread(scales, rows, columns)


def silu(g):
    with np.errstate(over="ignore"):
        return g / (1 + np.exp(-g))


def plain(g, u):
    return silu(g) * u


def clamped(limit):
    """`DeepseekV4Experts` and `DeepseekV4MLP`: the gate is clamped before silu."""
    return lambda g, u: silu(np.minimum(g, limit)) * np.clip(u, -limit, limit)


def clamped_silu(limit):
    """`Step3p7Experts` and `Step3p7MLP`: silu of the gate is clamped; 0 is no limit."""
    limit = limit or np.inf
    return lambda g, u: np.minimum(silu(g), limit) * np.clip(u, -limit, limit)


def clamped_oai(limit, alpha):
    """`MiniMaxM3VLExperts` and `MiniMaxM3VLDenseMLP`: as gpt-oss."""

    def glu(g, u):
        g, u = np.minimum(g, limit), np.clip(u, -limit, limit)
        return (u + 1) * g * sigmoid(alpha * g)

    return glu


def limited(make, limit, *others):
    """A clamped SwiGLU, which knows itself without the limit."""
    glu = make(limit, *others)
    glu.free = make(np.inf, *others)
    return glu


def limit_of(config, key, *default):
    value = need(config, key, float, *default)
    with np.errstate(over="ignore"):
        check(np.finfo(np.float32).tiny <= np.float32(value) < np.inf, f"{key} is {value}")
    return value


def swiglu(x, gate, up, down, glu=plain):
    return glu(x @ gate.T, x @ up.T) @ down.T


def grouped(x):
    """The channels of a token, 128 to a group; zeros behind the last."""
    return np.pad(x, (0, -x.size % 128)).reshape(-1, 128)


def in_powers(x):
    """What `act_quant` with `scale_fmt` "ue8m0" keeps of a token: E4M3, each 128 channels with the least power of two as
    their scale that is not below the largest magnitude / 448; 1 for zeros."""
    groups = grouped(x)
    largest = np.abs(groups).max(-1, keepdims=True)
    scales = np.exp2(np.ceil(np.log2(np.where(largest == 0, 448, largest) / 448)))
    return (e4m3_value(e4m3(groups / scales)) * scales).reshape(-1)[: x.size].reshape(x.shape)


def in_groups(x):
    """What E4M3 with one FP32 scale for each 128 channels keeps of a token: the scale is the largest magnitude / 448, and
    codes are made of x * (448 / largest) in FP32, which decides ties; 1 for zeros."""
    groups = grouped(x).astype(np.float32)
    largest = np.abs(groups).max(-1, keepdims=True)
    largest = np.where(largest == 0, np.float32(448), largest)
    codes = e4m3((groups * (np.float32(448) / largest)).astype(np.float64))
    values = e4m3_value(codes) * (largest / np.float32(448)).astype(np.float64)
    return values.reshape(-1)[: x.size].reshape(x.shape)


def rounded_swiglu(rounding):
    """SwiGLU on tensor cores: both inputs in FP8, what the projections give in BF16."""
    half = lambda values: bf16_value(bf16(values))

    def expert(x, gate, up, down, glu=plain):
        x = rounding(x)
        return half(rounding(glu(half(x @ gate.T), half(x @ up.T))) @ down.T)

    return expert


class Sizes:
    """The sizes of a layer, checked for what FP8 blocks ask for."""

    def __init__(self, hidden, width, experts, top):
        check(min(hidden, width, experts, top) >= 1 and top <= experts, "sizes out of range")
        check(hidden % 8 == 0 and width % 8 == 0, "sizes that are no multiples of 8")
        self.hidden, self.width, self.experts, self.top = hidden, width, experts, top


def single_experts(config, tensors, prefix, sizes, names=("gate_proj", "up_proj", "down_proj")):
    """Experts by number, or stacked as transformers 5 writes them."""
    shapes = [(sizes.width, sizes.hidden), (sizes.width, sizes.hidden), (sizes.hidden, sizes.width)]
    if prefix + "gate_up_proj" in tensors:
        both = weights(
            config, tensors, prefix + "gate_up_proj", (sizes.experts, 2 * sizes.width, sizes.hidden), True, above=2)
        down = weights(config, tensors, prefix + "down_proj", (sizes.experts, sizes.hidden, sizes.width), True)
        return [(both[e, : sizes.width], both[e, sizes.width :], down[e]) for e in range(sizes.experts)]
    return [
        [weights(config, tensors, f"{prefix}{e}.{name}", shape) for name, shape in zip(names, shapes)]
        for e in range(sizes.experts)
    ]


def mlp(config, tensors, prefix, hidden, width):
    check(width % 8 == 0, "a width that is no multiple of 8")
    return [
        weights(config, tensors, prefix + name, shape)
        for name, shape in (("gate_proj", (width, hidden)), ("up_proj", (width, hidden)), ("down_proj", (hidden, width)))
    ]


class Layer:
    """What a layer makes of tokens."""

    def __init__(self, x, chosen, factors, experts, shared=None, shared_factor=None, glu=plain, shared_glu=None):
        self.x, self.chosen, self.factors = x, chosen, factors
        self.experts, self.shared, self.shared_factor = experts, shared, shared_factor
        self.glu, self.shared_glu = glu, shared_glu or glu

    def output(self, expert=swiglu):
        output = np.zeros_like(self.x)
        for token, x in enumerate(self.x):
            for number, factor in zip(self.chosen[token], self.factors[token]):
                output[token] += factor * expert(x, *self.experts[number], self.glu)
            if self.shared is not None:
                part = expert(x, *self.shared, self.shared_glu)
                output[token] += part if self.shared_factor is None else self.shared_factor[token] * part
        return output


# Routers


def deepseek_v3_router(config, scores, bias, sizes, normalise, scale, groups=None):
    """DeepseekV3TopkRouter of transformers."""
    count, kept = groups or (1, 1)
    check(1 <= kept <= count and sizes.experts % count == 0, "groups that do not divide the experts")
    check(sizes.top <= sizes.experts // count * kept, "too few experts in the kept groups")
    for_choice = scores + bias
    size = sizes.experts // count
    ranked = np.sort(for_choice.reshape(-1, count, size), -1)[..., -2:].sum(-1)
    mask = np.zeros_like(ranked, bool)
    np.put_along_axis(mask, best(ranked, kept), True, -1)
    for_choice = np.where(np.repeat(mask, size, -1), for_choice, -np.inf)
    chosen = best(for_choice, sizes.top)
    factors = np.take_along_axis(scores, chosen, -1)
    if normalise:
        factors = factors / (factors.sum(-1, keepdims=True) + 1e-20)
    check(np.float32(scale) > 0 and np.isfinite(np.float32(scale)), "a factor that is not positive")
    return chosen, factors * scale


def softmax_router(scores, top, normalise):
    """Qwen2MoeTopKRouter of transformers."""
    chosen = best(scores, top)
    factors = np.take_along_axis(scores, chosen, -1)
    return chosen, factors / factors.sum(-1, keepdims=True) if normalise else factors


def sparse_after(config, key, *default):
    first = need(config, key, int, *default)
    layers = need(config, "num_hidden_layers", int)
    check(0 <= first <= layers and layers >= 1, "layers out of range")
    return first, layers


def deepseek_like(config, tensors, number, x, normalise=True, scale=None, first=None, shared_default=None, types=False,
                  predicts=True, all_sparse=False, has_shared=True, prefix="model.layers.", glu=plain):
    """DeepSeek-V3, and the models whose code takes its layer over; arguments are the defaults of their configurations."""
    layers = need(config, "num_hidden_layers", int)
    behind = need(config, "num_nextn_predict_layers", int, 0) if predicts else 0
    check(1 <= layers and 0 <= behind, "layers out of range")
    if all_sparse:
        check(number < layers, "no such layer")
        check(need(config, "first_k_dense_replace", int, 0) == 0, "dense layers")
    elif types and config.get("mlp_layer_types") is not None:
        kinds = need(config, "mlp_layer_types", list)
        check(len(kinds) >= layers and all(kind in ("dense", "sparse") for kind in kinds), "kinds of layers")
        check(number < layers + behind and (number >= layers or kinds[number] == "sparse"), "a dense layer")
    else:
        dense, _ = sparse_after(config, "first_k_dense_replace", *([] if first is None else [first]))
        check(dense <= number < layers + behind, "a dense layer")
    sizes = Sizes(
        need(config, "hidden_size", int), need(config, "moe_intermediate_size", int),
        need(config, "n_routed_experts", int), need(config, "num_experts_per_tok", int))
    for key, allowed in (("scoring_func", ("sigmoid",)), ("topk_method", ("noaux_tc",)), ("moe_layer_freq", (1,))):
        check(config.get(key) is None or config[key] in allowed, f"{key} is {config.get(key)}")
    prefix = f"{prefix}{number}.mlp."
    scores = sigmoid(x @ get(tensors, prefix + "gate.weight", (sizes.experts, sizes.hidden)).T)
    bias = get(tensors, prefix + "gate.e_score_correction_bias", (sizes.experts,))
    chosen, factors = deepseek_v3_router(
        config, scores, bias, sizes, need(config, "norm_topk_prob", bool, *([] if normalise is None else [normalise])),
        need(config, "routed_scaling_factor", float, *([] if scale is None else [scale])),
        (need(config, "n_group", int, 1), need(config, "topk_group", int, 1)))
    experts = single_experts(config, tensors, prefix + "experts.", sizes)
    shared = None
    if has_shared:
        count = need(config, "n_shared_experts", int, *([] if shared_default is None else [shared_default]))
        check(0 <= count <= 64, "shared experts out of range")
        if count:
            shared = mlp(config, tensors, prefix + "shared_experts.", sizes.hidden, count * sizes.width)
    return Layer(x, chosen, factors, experts, shared, glu=glu)


def deepseek_v2(config, tensors, number, x):
    """DeepseekV2TopkRouter of transformers."""
    dense, layers = sparse_after(config, "first_k_dense_replace", 0)
    check(dense <= number < layers, "a dense layer")
    check(config.get("norm_topk_prob") in (None, False), "implementations disagree about normalised weights")
    check(config.get("scoring_func") in (None, "softmax"), "scoring_func")
    check(config.get("moe_layer_freq") in (None, 1), "moe_layer_freq")
    sizes = Sizes(
        need(config, "hidden_size", int), need(config, "moe_intermediate_size", int),
        need(config, "n_routed_experts", int), need(config, "num_experts_per_tok", int))
    prefix = f"model.layers.{number}.mlp."
    scores = softmax(x @ get(tensors, prefix + "gate.weight", (sizes.experts, sizes.hidden)).T)
    method = need(config, "topk_method", str, "greedy")
    check(method in ("greedy", "group_limited_greedy"), "topk_method")
    groups, kept = need(config, "n_group", int, 1), need(config, "topk_group", int, 1)
    check(1 <= kept <= groups <= sizes.experts, "groups out of range")
    masked = scores
    if method == "group_limited_greedy":
        check(sizes.experts % groups == 0 and sizes.top <= sizes.experts // groups * kept, "groups")
        size = sizes.experts // groups
        mask = np.zeros((len(x), groups), bool)
        np.put_along_axis(mask, best(scores.reshape(-1, groups, size).max(-1), kept), True, -1)
        masked = np.where(np.repeat(mask, size, -1), scores, 0.0)
    chosen = best(masked, sizes.top)
    scale = need(config, "routed_scaling_factor", float, 1.0)
    check(np.float32(scale) > 0 and np.isfinite(np.float32(scale)), "a factor that is not positive")
    factors = np.take_along_axis(masked, chosen, -1) * scale
    experts = single_experts(config, tensors, prefix + "experts.", sizes)
    count = need(config, "n_shared_experts", int)
    check(0 <= count <= 64, "shared experts out of range")
    shared = mlp(config, tensors, prefix + "shared_experts.", sizes.hidden, count * sizes.width) if count else None
    return Layer(x, chosen, factors, experts, shared)


def qwen(config, tensors, number, x, normalise=None, gated=False, prefix="model.layers.", all_sparse=False):
    """Qwen2MoeSparseMoeBlock and those after it; `normalise` is the default of `norm_topk_prob`, None for always."""
    layers = need(config, "num_hidden_layers", int)
    check(1 <= layers and number < layers, "no such layer")
    if not all_sparse:
        step = need(config, "decoder_sparse_step", int, 1)
        check(1 <= step <= layers and (number + 1) % step == 0, "a dense layer")
        check(number not in need(config, "mlp_only_layers", list, []), "a dense layer")
    sizes = Sizes(
        need(config, "hidden_size", int), need(config, "moe_intermediate_size", int),
        need(config, "num_experts", int), need(config, "num_experts_per_tok", int))
    prefix = f"{prefix}{number}.mlp."
    scores = softmax(x @ get(tensors, prefix + "gate.weight", (sizes.experts, sizes.hidden)).T)
    if normalise is None:
        check(config.get("norm_topk_prob") in (None, True), "norm_topk_prob")
        normalised = True
    else:
        normalised = need(config, "norm_topk_prob", bool, normalise)
    chosen, factors = softmax_router(scores, sizes.top, normalised)
    experts = single_experts(config, tensors, prefix + "experts.", sizes)
    if not gated:
        return Layer(x, chosen, factors, experts)
    width = need(config, "shared_expert_intermediate_size", int)
    check(width >= 0, "the shared expert's width")
    if width == 0:
        return Layer(x, chosen, factors, experts)
    shared = mlp(config, tensors, prefix + "shared_expert.", sizes.hidden, width)
    gate = get(tensors, prefix + "shared_expert_gate.weight", (1, sizes.hidden))
    return Layer(x, chosen, factors, experts, shared, sigmoid(x @ gate[0]))


def mixtral(config, tensors, number, x, scoring=softmax, biased=False):
    """MixtralSparseMoeBlock, and MiniMaxM2SparseMoeBlock with sigmoid and a bias."""
    check(number < need(config, "num_hidden_layers", int), "no such layer")
    sizes = Sizes(
        need(config, "hidden_size", int), need(config, "intermediate_size", int),
        need(config, "num_local_experts", int), need(config, "num_experts_per_tok", int))
    prefix = f"model.layers.{number}.block_sparse_moe."
    scores = scoring(x @ get(tensors, prefix + "gate.weight", (sizes.experts, sizes.hidden)).T)
    for_choice = scores
    if biased:
        check(config.get("scoring_func") in (None, "sigmoid"), "scoring_func")
        check(config.get("use_routing_bias") in (None, True), "use_routing_bias")
        check(not config.get("shared_intermediate_size"), "a shared expert")
        for_choice = scores + get(tensors, prefix + "e_score_correction_bias", (sizes.experts,))
    chosen = best(for_choice, sizes.top)
    factors = np.take_along_axis(scores, chosen, -1)
    factors = factors / factors.sum(-1, keepdims=True)
    return Layer(x, chosen, factors, single_experts(config, tensors, prefix + "experts.", sizes, ("w1", "w3", "w2")))


def minimax(config, tensors, number, x):
    return mixtral(config, tensors, number, x, sigmoid, True)


def ernie(config, tensors, number, x):
    """Ernie4_5_MoeTopKRouter of transformers."""
    layers = need(config, "num_hidden_layers", int)
    start, end = need(config, "moe_layer_start_index", int), need(config, "moe_layer_end_index", int, -1)
    interval = need(config, "moe_layer_interval", int, 1)
    check(1 <= interval <= layers and 0 <= start <= layers and -1 <= end < layers, "layers out of range")
    end = layers - 1 if end == -1 else end
    check((number + 1) % interval == 0 and start <= number <= end and number < layers, "a dense layer")
    check(config.get("moe_use_aux_free") in (None, True), "moe_use_aux_free")
    check(config.get("moe_gate") in (None, "topk"), "moe_gate")
    sizes = Sizes(
        need(config, "hidden_size", int), need(config, "moe_intermediate_size", int),
        need(config, "moe_num_experts", int), need(config, "moe_k", int))
    prefix = f"model.layers.{number}.mlp."
    scores = softmax(x @ get(tensors, prefix + "gate.weight", (sizes.experts, sizes.hidden)).T)
    name = prefix + "moe_statics.e_score_correction_bias"
    check(name in tensors, f"{name} is missing")
    shape = tensors[name].shape
    check(shape in ((1, sizes.experts), (sizes.experts,)), f"{name} is {shape}")
    chosen = best(scores + get(tensors, name, shape).reshape(-1), sizes.top)
    factors = np.take_along_axis(scores, chosen, -1)
    factors = factors / np.maximum(factors.sum(-1, keepdims=True), 1e-12)
    experts = single_experts(config, tensors, prefix + "experts.", sizes)
    count = need(config, "moe_num_shared_experts", int, 0)
    check(0 <= count <= 64, "shared experts out of range")
    shared = mlp(config, tensors, prefix + "shared_experts.", sizes.hidden, count * sizes.width) if count else None
    return Layer(x, chosen, factors, experts, shared)


def bailing(config, tensors, number, x):
    """BailingMoeGate of Ling 1."""
    dense, layers = sparse_after(config, "first_k_dense_replace", 0)
    check(dense <= number < layers, "a dense layer")
    sizes = Sizes(
        need(config, "hidden_size", int), need(config, "moe_intermediate_size", int),
        need(config, "num_experts", int), need(config, "num_experts_per_tok", int))
    prefix = f"model.layers.{number}.mlp."
    scores = softmax(x @ get(tensors, prefix + "gate.weight", (sizes.experts, sizes.hidden)).T)
    chosen, factors = softmax_router(scores, sizes.top, need(config, "norm_topk_prob", bool))
    experts = single_experts(config, tensors, prefix + "experts.", sizes)
    count = need(config, "num_shared_experts", int, 0)
    shared = mlp(config, tensors, prefix + "shared_experts.", sizes.hidden, count * sizes.width) if count else None
    return Layer(x, chosen, factors, experts, shared)


def bailing2(config, tensors, number, x):
    """BailingMoeV2Gate of Ling 2: group-limited choice with a bias, normalised where several are chosen."""
    dense, layers = sparse_after(config, "first_k_dense_replace")
    behind = need(config, "num_nextn_predict_layers", int, 0)
    check(dense <= number < layers + behind and behind >= 0, "a dense layer")
    for key, allowed in (
        ("score_function", ("sigmoid",)), ("moe_router_enable_expert_bias", (True,)), ("norm_topk_prob", (True,))):
        check(config.get(key) is None or config[key] in allowed, key)
    sizes = Sizes(
        need(config, "hidden_size", int), need(config, "moe_intermediate_size", int),
        need(config, "num_experts", int), need(config, "num_experts_per_tok", int))
    prefix = f"model.layers.{number}.mlp."
    scores = sigmoid(x @ get(tensors, prefix + "gate.weight", (sizes.experts, sizes.hidden)).T)
    bias = get(tensors, prefix + "gate.expert_bias", (sizes.experts,))
    chosen, factors = deepseek_v3_router(
        config, scores, bias, sizes, sizes.top > 1, need(config, "routed_scaling_factor", float),
        (need(config, "n_group", int, 1), need(config, "topk_group", int, 1)))
    experts = single_experts(config, tensors, prefix + "experts.", sizes)
    count = need(config, "num_shared_experts", int)
    width = need(config, "moe_shared_expert_intermediate_size", int, sizes.width)
    check(0 <= count <= 64 and width >= 1, "shared experts out of range")
    shared = mlp(config, tensors, prefix + "shared_experts.", sizes.hidden, count * width) if count else None
    return Layer(x, chosen, factors, experts, shared)


def hunyuan(config, tensors, number, x):
    """HunYuanMoEV1Gate of transformers, and the widths of vLLM's hunyuan_v1."""
    layers = need(config, "num_hidden_layers", int)
    check(number < layers, "no such layer")

    def of_layer(key):
        value = config.get(key)
        if isinstance(value, list):
            check(len(value) == layers and len(set(map(str, value))) == 1, key)
            value = value[number]
        return need({key: value}, key, int)

    sizes = Sizes(
        need(config, "hidden_size", int), of_layer("moe_intermediate_size"), of_layer("num_experts"), of_layer("moe_topk"))
    prefix = f"model.layers.{number}.mlp."
    scores = softmax(x @ get(tensors, prefix + "gate.wg.weight", (sizes.experts, sizes.hidden)).T)
    chosen, factors = softmax_router(scores, sizes.top, True)
    experts = single_experts(config, tensors, prefix + "experts.", sizes)
    count = of_layer("num_shared_expert")
    check(0 <= count <= 64, "shared experts out of range")
    shared = mlp(config, tensors, prefix + "shared_mlp.", sizes.hidden, count * sizes.width) if count else None
    return Layer(x, chosen, factors, experts, shared)


def mimo(config, tensors, number, x):
    """MiMoV2FlashMoE of transformers, with the list of its own configuration."""
    flags = need(config, "moe_layer_freq", list)
    layers = need(config, "num_hidden_layers", int)
    check(len(flags) == layers and number < layers and flags[number] == 1, "a dense layer")
    check(not config.get("n_shared_experts"), "a shared expert")
    plain = {**config, "moe_layer_freq": None, "first_k_dense_replace": 0}
    return deepseek_like(plain, tensors, number, x, scale=1.0, predicts=False, has_shared=False)


def dots(config, tensors, number, x):
    check(config.get("scoring_func") in (None, "sigmoid", "noaux_tc"), "scoring_func")
    plain = {**config, "scoring_func": None}
    return deepseek_like(plain, tensors, number, x, normalise=False, scale=1.0, first=0, predicts=False)


def step(config, tensors, number, x):
    """FusedMoEBlock of vLLM's step3p5."""
    layers = need(config, "num_hidden_layers", int)
    listed = [int(text) for text in need(config, "moe_layers_enum", str).split(",")]
    check(number in listed and number < layers, "a dense layer")

    def limit(key):
        limits = need(config, key, list, [])
        value = need({key: limits[number]}, key, float, 0.0) if number < len(limits) else 0.0
        return value and limit_of({key: value}, key)

    glu, shared_glu = (limited(clamped_silu, limit(key)) for key in ("swiglu_limits", "swiglu_limits_shared"))
    check(config.get("moe_router_activation") in (None, "sigmoid"), "moe_router_activation")
    sizes = Sizes(
        need(config, "hidden_size", int), need(config, "moe_intermediate_size", int),
        need(config, "moe_num_experts", int), need(config, "moe_top_k", int))
    prefix = f"model.layers.{number}."
    scores = sigmoid(x @ get(tensors, prefix + "moe.gate.weight", (sizes.experts, sizes.hidden)).T)
    bias = get(tensors, prefix + "moe.router_bias", (sizes.experts,))
    chosen, factors = deepseek_v3_router(
        config, scores, bias, sizes, need(config, "norm_expert_weight", bool),
        need(config, "moe_router_scaling_factor", float))
    up = (sizes.experts, sizes.width, sizes.hidden)
    matrices = [
        weights(config, tensors, prefix + "moe." + name, shape)
        for name, shape in (
            ("gate_proj", up), ("up_proj", up), ("down_proj", (sizes.experts, sizes.hidden, sizes.width)))
    ]
    experts = [[matrix[e] for matrix in matrices] for e in range(sizes.experts)]
    width = need(config, "share_expert_dim", int)
    shared = mlp(config, tensors, prefix + "share_expert.", sizes.hidden, width) if width else None
    return Layer(x, chosen, factors, experts, shared, glu=glu, shared_glu=shared_glu)


def v4_weights(config, tensors, base, shape):
    """The ways of `Linear` in DeepSeek-V4's inference code: FP8 in blocks, FP4 in pairs, or BF16."""
    rows, columns = shape
    check(base + ".weight" in tensors, f"{base}.weight is missing")
    tensor = tensors[base + ".weight"]
    if tensor.kind == "BF16":
        return in_blocks(get(tensors, base + ".weight", shape))
    check((config.get("quantization_config") or {}).get("quant_method") is not None, "no method")
    if tensor.kind == "I8":
        check(tensor.shape == (rows, columns // 2), f"{base} is {tensor.shape}")
        scales = get(tensors, base + ".scale", (rows, columns // 32), ("F8_E8M0",))
        codes = tensor.array()
        return E2M1[np.stack([codes & 15, codes >> 4], -1).reshape(rows, columns)] * np.repeat(scales, 32, 1)
    scales = get(tensors, base + ".scale", (-(-rows // 128), -(-columns // 128)), ("F8_E8M0", "F32"))
    return get(tensors, base + ".weight", shape, ("F8_E4M3",)) * spread(scales, rows, columns)


def deepseek_v4(config, tensors, number, x):
    """DeepseekV4SparseMoeBlock with DeepseekV4TopKRouter; layers with DeepseekV4HashRouter need token ids."""
    layers = need(config, "num_hidden_layers", int)
    check(number < layers, "no such layer")
    kinds = need(config, "mlp_layer_types", list, None) if config.get("mlp_layer_types") is not None else None
    if kinds is None:
        count = need(config, "num_hash_layers", int)
        check(0 <= count <= layers, "num_hash_layers")
        kinds = ["hash_moe"] * count + ["moe"] * (layers - count)
    check(len(kinds) == layers and all(kind in ("hash_moe", "moe") for kind in kinds), "kinds of layers")
    count = need(config, "num_hash_layers", int, kinds.count("hash_moe"))
    check(kinds == ["hash_moe"] * count + ["moe"] * (layers - count) or config.get("num_hash_layers") is None, "hash layers")
    check(kinds[number] == "moe", "experts by token id")
    for key, allowed in (
        ("scoring_func", ("sqrtsoftplus",)), ("topk_method", ("noaux_tc",)), ("norm_topk_prob", (True,)),
        ("expert_dtype", ("fp4", "fp8")), ("mlp_bias", (False,))):
        check(config.get(key) is None or config[key] in allowed, f"{key} is {config.get(key)}")
    check(need(config, "n_shared_experts", int) == 1, "shared experts")
    sizes = Sizes(
        need(config, "hidden_size", int), need(config, "moe_intermediate_size", int),
        need(config, "n_routed_experts", int), need(config, "num_experts_per_tok", int))
    prefix = f"layers.{number}.ffn."
    scores = np.sqrt(np.logaddexp(0, x @ get(tensors, prefix + "gate.weight", (sizes.experts, sizes.hidden)).T))
    bias = get(tensors, prefix + "gate.bias", (sizes.experts,))
    chosen, factors = deepseek_v3_router(
        config, scores, bias, sizes, True, need(config, "routed_scaling_factor", float))
    matrices = lambda base: [
        v4_weights(config, tensors, f"{base}.{name}", shape)
        for name, shape in (
            ("w1", (sizes.width, sizes.hidden)), ("w3", (sizes.width, sizes.hidden)), ("w2", (sizes.hidden, sizes.width)))
    ]
    experts = [matrices(f"{prefix}experts.{e}") for e in range(sizes.experts)]
    glu = limited(clamped, limit_of(config, "swiglu_limit"))
    return Layer(x, chosen, factors, experts, matrices(prefix + "shared_experts"), glu=glu)


def inner_of(config):
    """The language model's part, with the declaration of the weights, which stands beside it or in it."""
    text = need(config, "text_config", dict)
    return {**text, "quantization_config": text.get("quantization_config") or config.get("quantization_config")}


def glm5_next(config, tensors, number, x):
    """Glm5NextTextMoE."""
    text = inner_of(config)
    return deepseek_like(
        text, tensors, number, x, scale=2.5, first=3, shared_default=1, types=True, prefix="model.language_model.layers.",
        glu=limited(clamped, limit_of(text, "swiglu_limit", 10.0)))


def minimax_m3(config, tensors, number, x):
    """MiniMaxM3VLSparseMoeBlock, with the list of layers of the published configuration."""
    text = inner_of(config)
    flags, layers = need(text, "moe_layer_freq", list), need(text, "num_hidden_layers", int)
    check(len(flags) == layers and number < layers and flags[number] == 1, "a dense layer")
    for key, allowed in (
        ("scoring_func", ("sigmoid",)), ("use_routing_bias", (True,)), ("norm_topk_prob", (True,)), ("n_shared_experts", (1,))):
        check(text.get(key) is None or text[key] in allowed, f"{key} is {text.get(key)}")
    sizes = Sizes(
        need(text, "hidden_size", int), need(text, "intermediate_size", int), need(text, "num_local_experts", int),
        need(text, "num_experts_per_tok", int))
    prefix = f"language_model.model.layers.{number}.block_sparse_moe."
    scores = sigmoid(x @ get(tensors, prefix + "gate.weight", (sizes.experts, sizes.hidden)).T)
    chosen = best(scores + get(tensors, prefix + "e_score_correction_bias", (sizes.experts,)), sizes.top)
    factors = np.take_along_axis(scores, chosen, -1)
    scale = need(text, "routed_scaling_factor", float, 2.0)
    check(np.float32(scale) > 0 and np.isfinite(np.float32(scale)), "a factor that is not positive")
    factors = factors / factors.sum(-1, keepdims=True) * scale
    experts = single_experts(text, tensors, prefix + "experts.", sizes, ("w1", "w3", "w2"))
    width = need(text, "shared_intermediate_size", int)
    check(width >= 0, "the shared expert's width")
    shared = mlp(text, tensors, prefix + "shared_experts.", sizes.hidden, width) if width else None
    glu = limited(clamped_oai, limit_of(text, "swiglu_limit", 7.0), limit_of(text, "swiglu_alpha", 1.702))
    return Layer(x, chosen, factors, experts, shared, glu=glu)


def qwen35(config, tensors, number, x):
    return qwen(inner_of(config), tensors, number, x, gated=True, prefix="model.language_model.layers.", all_sparse=True)


def takes(function, **arguments):
    return lambda config, tensors, number, x: function(config, tensors, number, x, **arguments)


FAMILIES = {
    "deepseek_v2": deepseek_v2,
    "deepseek_v3": takes(deepseek_like),
    "deepseek_v32": takes(deepseek_like, types=True),
    "deepseek_v4": deepseek_v4,
    "kimi_k2": takes(deepseek_like),
    "glm4_moe": takes(deepseek_like, scale=1.0, first=1, shared_default=1),
    "glm4_moe_lite": takes(deepseek_like, scale=1.8, first=1, shared_default=1, types=True),
    "glm_moe_dsa": takes(deepseek_like, scale=2.5, first=3, shared_default=1, types=True),
    "glm5_next": glm5_next,
    "solar_open": takes(deepseek_like, scale=1.0, shared_default=1, all_sparse=True, predicts=False),
    "dots1": dots,
    "mimo_v2_flash": mimo,
    "qwen2_moe": takes(qwen, normalise=False, gated=True),
    "qwen3_moe": takes(qwen, normalise=False),
    "qwen3_next": takes(qwen, normalise=True, gated=True),
    "qwen3_5_moe": qwen35,
    "mixtral": mixtral,
    "minimax_m2": minimax,
    "minimax_m3_vl": minimax_m3,
    "ernie4_5_moe": ernie,
    "bailing_moe": bailing,
    "bailing_moe_v2": bailing2,
    "hunyuan_v1_moe": hunyuan,
    "step3p5": step,
}


def layer(config, tensors, number, x):
    """The layer on tokens `[tokens, hidden]`. Raises `Undefined`."""
    kind = need(config, "model_type", str)
    check(kind in FAMILIES, f"model_type {kind}")
    inner = config.get("text_config") or config
    check(inner.get("hidden_act") in (None, "swigluoai" if kind == "minimax_m3_vl" else "silu"), "hidden_act")
    check(x.shape[1] == need(inner, "hidden_size", int), "hidden_size")
    return FAMILIES[kind](config, tensors, number, x)
