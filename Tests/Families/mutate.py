"""Writes many small checkpoints, each damaged in one or two ways, and beside each what is right for it.

    python3 mutate.py DIRECTORY SEED COUNT

`expected.json` holds what `definitions.py` makes of the damaged layer, or, where there is no right result, the reason.
"""

import json
import os
import sys

os.environ["FAMILIES_SIZES"] = "128,128,4,2"

import numpy as np  # noqa: E402

import definitions  # noqa: E402
import generate  # noqa: E402

# Keys that change what experts compute and that no family here defines with these values.
HARMFUL = {
    "swiglu_limit": 10.0, "swiglu_alpha": 1.702, "hidden_act": "gelu", "zero_expert_num": 2, "moe_latent_size": 64,
    "mlp_bias": True, "moe_router_activation": "tanh", "scoring_func": "tanh", "expert_swiglu_limit": 7,
    "activation_limit": 3.5, "n_hash_layers": 3, "num_hash_layers": 3, "moe_topk_scaling_factor": 2, "ffn_bias": True,
    "compression_config": {"quant_method": "awq"}, "router_logit_softcapping": 30, "experts_alpha": 2,
}
ELSEWHERE = "self_attn"
VALUES = [0, -1, 1, 2, 3, 5, 1 << 40, 0.5, 1e-60, 1e60, True, False, None, "x", "", [], [1], [1, 1], {}, "1"]


class Directory:
    """A case on its way to being damaged. `reason` says why nothing can be right any more."""

    def __init__(self, name, seed):
        self.config, self.tensors, random = generate.build(name, seed)
        self.hidden = generate.hidden_states(random, generate.H)
        # Keys that the family defines, and whose other values harm nothing.
        self.defined = {"swiglu_limit", "swiglu_alpha", "num_hash_layers"} & set(self.inner())
        self.reason = None
        # Reasons that hold as long as a tensor of the name is there, or a key has the value.
        self.reasons = []
        self.values = []
        self.text = None
        self.file = None

    def inner(self):
        return self.config.get("text_config") or self.config


def remove_key(d, r):
    config = d.inner()
    config.pop(r.choice(sorted(config)))


def change_key(d, r):
    config = d.inner()
    config[r.choice(sorted(config))] = VALUES[r.integers(len(VALUES))]


def nudge_key(d, r):
    config = d.inner()
    keys = [key for key, value in sorted(config.items()) if type(value) is int]
    key = keys[r.integers(len(keys))]
    config[key] += int(r.choice([-1, 1, 128, -128]))


def add_harm(d, r):
    keys = [key for key in sorted(HARMFUL) if d.inner().get(key) != HARMFUL[key] and key not in d.defined]
    key = keys[r.integers(len(keys))]
    d.inner()[key] = HARMFUL[key]
    d.values.append((key, HARMFUL[key], f"{key} changes what experts compute"))


def add_harmless(d, r):
    key, value = [("rope_theta", 1e6), ("attention_bias", True), ("note", "x"), ("router_aux_loss_coef", 0.1),
                  ("num_key_value_heads", 4), ("torch_dtype", "bfloat16")][r.integers(6)]
    d.config[key] = value


def change_type(d, r):
    names = sorted(definitions.FAMILIES) + ["llama", "gpt_oss", "deepseek_v41", "longcat_flash", "llama4", ""]
    d.config["model_type"] = str(names[r.integers(len(names))])


def change_method(d, r):
    method = json.loads(json.dumps(d.config.get("quantization_config") or generate.FP8))
    key, value = [
        ("quant_method", "blockwise_int8"), ("quant_method", "awq"), ("fmt", "e5m2"), ("activation_scheme", "static"),
        ("weight_block_size", [64, 128]), ("weight_block_size", [128]), ("new_key", 3), ("quant_method", None),
        ("fmt", 4)][r.integers(9)]
    method[key] = value
    d.config["quantization_config"] = method
    d.values.append(("quantization_config", method, f"quantization_config.{key} is {value}"))


def drop_method(d, r):
    quantised = any(kind in ("F8_E4M3", "U8", "I8", "I32") for _, kind, _, _ in d.tensors)
    d.config.pop("quantization_config", None)
    if quantised:
        d.reason = "quantised weights without a method"


def repeat_key(d, r):
    config = d.config
    key = sorted(config)[r.integers(len(config))]
    spelling = "".join(f"\\u{ord(c):04x}" if r.random() < 0.3 else c for c in key)
    d.text = json.dumps(config)[:-1] + f', "{spelling}": {json.dumps(config[key])}}}'
    d.reason = "a repeated key"


def pick(d, r):
    return int(r.integers(len(d.tensors)))


def remove_tensor(d, r):
    d.tensors.pop(pick(d, r))


def rename_tensor(d, r):
    index = pick(d, r)
    name, *rest = d.tensors[index]
    at = int(r.integers(len(name)))
    d.tensors[index] = (name[:at] + "q" + name[at + 1 :], *rest)
    # Another part of the model, and what need not be there, may be called as they like.
    if name[at] != "q" and not any(word in name for word in (ELSEWHERE, "input_scale", "weight_shape")):
        d.reasons.append((d.tensors[index][0], "a tensor is renamed"))


def extra_tensor(d, r):
    parts = sorted({name.rsplit(".", 2)[0] for name, *_ in d.tensors})
    parts = [part for part in parts if any(word in part for word in (".mlp", ".ffn", "moe", "share_expert"))]
    if not parts:
        return
    prefix = parts[r.integers(len(parts))]
    name = prefix + str(r.choice([".bias", ".input_scale_", ".extra.weight"]))
    d.tensors.append((name, "F32", (1,), b"\0\0\0\0"))
    d.reasons.append((name, "a tensor that nobody uses"))


def extra_elsewhere(d, r):
    d.tensors.append((f"model.layers.0.{ELSEWHERE}.q_proj.weight", "F32", (1,), b"\0\0\0\0"))


def retype_tensor(d, r):
    index = pick(d, r)
    name, kind, shape, data = d.tensors[index]
    other = {"BF16": "F16", "F32": "I32", "F8_E4M3": "F8_E5M2", "U8": "BOOL", "I8": "U8", "I32": "F32", "I64": "F64",
             "F8_E8M0": "I8"}[kind]
    d.tensors[index] = (name, other, shape, data)
    d.reasons.append((name, f"{name} is {other}"))


def resize_tensor(d, r):
    index = pick(d, r)
    name, kind, shape, data = d.tensors[index]
    if not shape or not data:
        return
    rows = data[: len(data) // shape[0] * (shape[0] - 1)] if r.random() < 0.5 else data + data[: len(data) // shape[0]]
    height = len(rows) * shape[0] // len(data)
    d.tensors[index] = (name, kind, (height, *shape[1:]), rows)
    d.reasons.append((name, f"{name} has another size"))


def turn_tensor(d, r):
    index = pick(d, r)
    name, kind, shape, data = d.tensors[index]
    if len(shape) >= 2 and shape[-1] != shape[-2]:
        d.tensors[index] = (name, kind, (*shape[:-2], shape[-1], shape[-2]), data)


def poison_tensor(d, r):
    index = pick(d, r)
    name, kind, shape, data = d.tensors[index]
    poison = {"BF16": b"\xc0\x7f", "F32": b"\0\0\x80\x7f", "F8_E4M3": b"\x7f"}.get(kind)
    if poison:
        at = int(r.integers(len(data) // len(poison))) * len(poison)
        d.tensors[index] = (name, kind, shape, data[:at] + poison + data[at + len(poison) :])


def flip_bits(d, r):
    index = pick(d, r)
    name, kind, shape, data = d.tensors[index]
    at = int(r.integers(len(data)))
    d.tensors[index] = (name, kind, shape, data[:at] + bytes([data[at] ^ (1 << int(r.integers(8)))]) + data[at + 1 :])


def damage_file(d, r):
    kind = int(r.integers(5))

    def damage(data):
        length = int.from_bytes(data[:8], "little")
        if kind == 0:
            return data[: int(r.integers(len(data)))]
        if kind == 1:
            return data + b"\0" * int(r.integers(1, 9))
        if kind == 2:
            return (length + int(r.integers(1, 64))).to_bytes(8, "little") + data[8:]
        header = json.loads(data[8 : 8 + length])
        name = sorted(header)[r.integers(len(header))]
        begin, end = header[name]["data_offsets"]
        header[name]["data_offsets"] = [begin + 1, end + 1] if kind == 3 else [end, begin]
        text = json.dumps(header).encode()
        return len(text).to_bytes(8, "little") + text + data[8 + length :]

    d.file = damage
    d.reason = "a damaged file"


MUTATIONS = [
    remove_key, change_key, change_key, nudge_key, nudge_key, add_harm, add_harmless, change_type, change_method,
    drop_method, repeat_key, remove_tensor, rename_tensor, extra_tensor, extra_elsewhere, retype_tensor, resize_tensor,
    turn_tensor, poison_tensor, flip_bits, damage_file,
]


def main(directory, seed, count):
    for number in range(count):
        random = np.random.default_rng([seed, number])
        name = list(generate.CASES)[number % len(generate.CASES)]
        d = Directory(name, seed)
        chosen = [MUTATIONS[i] for i in random.choice(len(MUTATIONS), 1 + (random.random() < 0.3), replace=False)]
        for mutation in chosen:
            mutation(d, random)
        expected = {"case": name, "mutations": [mutation.__name__ for mutation in chosen], "layer": generate.LAYER,
                    "hidden": d.hidden.reshape(-1).tolist()}
        try:
            definitions.check(d.reason is None, d.reason)
            names = {tensor[0] for tensor in d.tensors}
            for tensor, reason in d.reasons:
                # What is wrong with a tensor of another part of the model is nothing to a layer.
                definitions.check(tensor not in names or ELSEWHERE in tensor, reason)
            for key, value, reason in d.values:
                definitions.check(not any(part.get(key) == value for part in (d.config, d.inner())), reason)
            expected.update(generate.expectation(d.config, d.tensors, d.hidden))
        except (definitions.Undefined, ValueError, TypeError, IndexError, KeyError, AttributeError) as error:
            expected["reason"] = f"{type(error).__name__}: {error}"
        place = os.path.join(directory, f"{number:04}")
        generate.save(place, d.config, d.tensors, expected)
        if d.text:
            with open(os.path.join(place, "config.json"), "w") as file:
                file.write(d.text)
        if d.file:
            path = os.path.join(place, "model.safetensors")
            with open(path, "rb") as file:
                data = file.read()
            with open(path, "wb") as file:
                file.write(d.file(data))


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))
