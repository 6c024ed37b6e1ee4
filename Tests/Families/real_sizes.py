"""Runs one layer of each family at the size of a published model, and holds what comes out against `definitions.py`.

    python3 real_sizes.py SWIFTEP [--device cuda] [--models NAME,...] [--jobs 3] [--folder DIRECTORY]

SWIFTEP is the program. Weights are random, in the format of the published files; a checkpoint takes up to 17 GB in DIRECTORY
while its model runs. `swiftep run` reads and routes it, runs a step on the device and writes what went in and came out;
numpy finds the chosen experts, their weights and the output from the checkpoint and the hidden states. Activations are
rounded to FP8 in numpy as well, so what is left is where a sum falls on the other side of a rounding.
"""

import argparse
import concurrent.futures
import json
import mmap
import os
import shutil
import struct
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

# model: (case of generate.py; channels, width, experts, chosen ones; what else its configuration says).
GROUPS = {"n_group": 8, "topk_group": 4}
MODELS = {
    "DeepSeek-V3": ("deepseek-v3", (7168, 2048, 256, 8), GROUPS),
    "DeepSeek-V3.1": ("deepseek-v3.1", (7168, 2048, 256, 8), GROUPS),
    "DeepSeek-V3.2": ("deepseek-v3.2", (7168, 2048, 256, 8), GROUPS),
    "DeepSeek-V2": ("deepseek-v2", (5120, 1536, 160, 6), {"n_group": 8, "topk_group": 3}),
    "DeepSeek-V2-Lite": ("deepseek-v2-lite", (2048, 1408, 64, 6), {"n_shared_experts": 2}),
    "DeepSeek-V4-Flash": ("deepseek-v4", (4096, 2048, 256, 6), {}),
    "Kimi-K2": ("kimi-k2", (7168, 2048, 384, 8), {}),
    "GLM-4.5": ("glm-4.5", (5120, 1536, 160, 8), {}),
    "GLM-4.5-FP8": ("glm-4.5-fp8", (5120, 1536, 160, 8), {}),
    "GLM-4.7-Flash": ("glm-4.7-flash", (2048, 1536, 64, 4), {}),
    "GLM-5": ("glm-5", (6144, 2048, 256, 8), {}),
    "Solar-Open-100B": ("solar-open", (4096, 1280, 128, 8), {}),
    "dots.llm1": ("dots1", (4096, 1408, 128, 6), {}),
    "MiMo-V2-Flash": ("mimo-v2", (4096, 2048, 256, 8), {}),
    "Qwen2-57B-A14B": ("qwen2-moe", (3584, 2560, 64, 8), {"shared_expert_intermediate_size": 20480}),
    "Qwen3-235B-A22B": ("qwen3-moe", (4096, 1536, 128, 8), {}),
    "Qwen3-30B-A3B stacked": ("qwen3-moe-stacked", (2048, 768, 128, 8), {}),
    "Qwen3-Coder-480B-FP8": ("qwen3-moe-fp8", (6144, 2560, 160, 8), {}),
    "Qwen3-Next-80B-A3B": ("qwen3-next", (2048, 512, 512, 10), {"shared_expert_intermediate_size": 512}),
    "Qwen3.5-MoE": ("qwen3.5-moe", (4096, 1024, 512, 10), {"shared_expert_intermediate_size": 1024}),
    "Mixtral-8x7B": ("mixtral", (4096, 14336, 8, 2), {}),
    "MiniMax-M2": ("minimax-m2", (3072, 1536, 256, 8), {}),
    "ERNIE-4.5-21B-A3B": ("ernie-4.5", (2560, 1536, 64, 6), {}),
    "ERNIE-4.5-300B-A47B": ("ernie-4.5", (8192, 3584, 64, 8), {"moe_num_shared_experts": 0}),
    "Ling-lite": ("ling-1", (2048, 1408, 64, 6), {}),
    "Ling-1T": ("ling-2", (8192, 2048, 256, 8), GROUPS),
    "Hunyuan-A13B": ("hunyuan", (4096, 3072, 64, 8), {}),
    "Step-3.5-Flash": ("step-3.5-clamped", (4096, 1280, 288, 8), {"share_expert_dim": 1280}),
    # Sizes of these two are not known to us; they are those of their neighbours.
    "GLM-5.3-Flash": ("glm-5.3-flash", (4096, 1536, 288, 8), {}),
    "MiniMax-M3": ("minimax-m3", (3072, 1536, 256, 8), {}),
}
SIZES = "FAMILIES_SIZES"
RANKS, TOKENS, SEED = 2, 1, 5
# Of the output's norm. A value that falls on the other side of a rounding is 6 % off, and few do.
LIMIT = 0.01
WEIGHT_LIMIT = 1e-4


# One model, in a process of its own: `generate` takes its sizes from the environment.


class Pool:
    """Random bytes of one kind, from which all matrices are cut."""

    def __init__(self, array):
        self.bytes = np.ascontiguousarray(array).view(np.uint8).reshape(-1)
        self.start = 0

    def chunks(self, count):
        """`count` bytes, beginning elsewhere each time, so that no two experts are the same."""
        self.start = (self.start + 1_000_003 * 16) % len(self.bytes)
        place = self.start
        while count:
            part = self.bytes[place : place + count]
            yield part
            count -= len(part)
            place = 0


class Normal:
    """Normal numbers that are never drawn: what is made of them is cut from a pool."""

    def __init__(self, shape, deviation=1.0):
        self.shape, self.deviation = tuple(shape), deviation

    def __mul__(self, factor):
        return Normal(self.shape, self.deviation * factor)

    __rmul__ = __mul__


class Cut:
    """A large array that is cut from a pool when it is written."""

    def __init__(self, shape, pool, item):
        self.shape, self.pool, self.bytes = shape, pool, int(np.prod(shape)) * item


def make_builder(generate):
    """A builder of `generate`'s whose matrices are cut from pools."""
    random = np.random.default_rng(SEED)
    pools = {}
    original = {"e4m3": generate.e4m3, "bf16": generate.bf16}

    def cut(name, item, function, values):
        if not isinstance(values, Normal):
            return function(values)
        key = name, values.deviation
        if key not in pools:
            pools[key] = Pool(function(random.standard_normal(1 << 24) * values.deviation))
        return Cut(values.shape, pools[key], item)

    generate.e4m3 = lambda values: cut("e4m3", 1, original["e4m3"], values)
    generate.bf16 = lambda values: cut("bf16", 2, original["bf16"], values)

    class Drawing:
        """Numbers of matrices are not drawn."""

        def standard_normal(self, shape):
            return Normal(shape)

        def __getattr__(self, name):
            return getattr(random, name)

    class RealSize(generate.Builder):
        def matrix(self, *arguments, **options):
            self.random, own = Drawing(), self.random
            super().matrix(*arguments, **options)
            self.random = own

        def four_bits(self, base, rows, columns):
            if self.storage != "fp4-named":
                return super().four_bits(base, rows, columns)
            pools.setdefault("bytes", Pool(random.integers(0, 256, 1 << 24, dtype=np.uint8)))
            shift = int(np.log2(self.loud))
            self.add(base + ".weight", "I8", Cut((rows, columns // 2), pools["bytes"], 1))
            scales = random.integers(119 + shift, 124 + shift, (rows, columns // 32), dtype=np.uint8)
            self.add(base + ".scale", "F8_E8M0", scales)

        def add(self, name, kind, array):
            if not isinstance(array, Cut):
                return super().add(name, kind, array)
            self.tensors.append((name, kind, array.shape, array))

    generate.Builder = RealSize


def write_checkpoint(folder, config, tensors):
    """A directory with one file. Returns its bytes."""
    (folder / "config.json").write_text(json.dumps(config))
    header, position = {}, 0
    for name, kind, shape, data in tensors:
        size = data.bytes if isinstance(data, Cut) else len(data)
        header[name] = {"dtype": kind, "shape": list(shape), "data_offsets": [position, position + size]}
        position += size
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    with open(folder / "model.safetensors", "wb") as file:
        file.write(struct.pack("<Q", len(text)) + text)
        for _, _, _, data in tensors:
            for chunk in data.pool.chunks(data.bytes) if isinstance(data, Cut) else [data]:
                file.write(chunk)
    return position


def read_tensors(path, make):
    """All tensors of a file, as `formats.Tensor` has them, without reading them."""
    file = open(path, "rb")
    memory = memoryview(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ))
    (length,) = struct.unpack("<Q", memory[:8])
    header = json.loads(bytes(memory[8 : 8 + length]))
    header.pop("__metadata__", None)
    tensors = {}
    for name, entry in header.items():
        first, last = (8 + length + offset for offset in entry["data_offsets"])
        tensors[name] = make(entry["dtype"], entry["shape"], memory[first:last])
    return tensors


class Matrix:
    """A matrix of weights, or a stack of them, that is read when it is multiplied with."""

    def __init__(self, read):
        self.read = read

    @property
    def T(self):
        return self.read().T


class Stack:
    """A stack of matrices by the number of the expert, and rows of them."""

    def __init__(self, read):
        self.read = read

    def __getitem__(self, key):
        expert, *rows = key if isinstance(key, tuple) else (key,)
        return Matrix(lambda: self.read(expert)[tuple(rows)])


def read_late(definitions, formats):
    """Has `definitions` read only matrices that tokens are multiplied with."""

    def late(original):
        def weights(config, tensors, base, shape, *options):
            if len(shape) == 2:
                return Matrix(lambda: original(config, tensors, base, shape, *options))

            def read(expert):
                own = {}
                for name, tensor in tensors.items():
                    if name.startswith(base):
                        array = tensor.array()[expert]
                        own[name] = formats.Tensor(tensor.kind, array.shape, array.tobytes())
                return original(config, own, base, shape[1:], *options)

            return Stack(read)

        return weights

    for name in ("weights", "v4_weights"):
        setattr(definitions, name, late(getattr(definitions, name)))


def run_one(name, program, device, folder):
    """Makes, runs and checks a model; prints a line of the table as JSON."""
    import definitions
    import formats
    import generate

    case, sizes, settings = MODELS[name]
    make_builder(generate)
    read_late(definitions, formats)
    began = time.monotonic()
    usual = generate.CASES[case][1]
    (usual.get("text_config") or usual).update(settings)
    config, tensors, _ = generate.build(case)
    size = write_checkpoint(folder, config, tensors)
    del tensors
    made = time.monotonic()
    found = folder / "step.safetensors"
    result = subprocess.run(
        [program, "run", "--device", device, "--checkpoint", str(folder), "--layer", str(generate.LAYER), "--ranks",
         str(RANKS), "--tokens", str(TOKENS), "--overlap", "none,singleBatch,direct", "--replays", "3", "--tensors",
         str(found), "--json"],
        capture_output=True, text=True)  # fmt: skip
    ran = time.monotonic()
    line = {"model": name, "sizes": sizes, "bytes": size, "make": made - began, "run": ran - made}
    if result.returncode != 0:
        return {**line, "problem": (result.stderr.strip() or result.stdout)[-600:]}
    step = read_tensors(found, formats.Tensor)
    x = step["hidden_states"].values()
    layer = definitions.layer(config, read_tensors(folder / "model.safetensors", formats.Tensor), generate.LAYER, x)
    quantisation = config.get("quantization_config") or {}
    rounding = definitions.in_powers if quantisation.get("scale_fmt") == "ue8m0" else definitions.in_groups
    expected = layer.output(definitions.rounded_swiglu(rounding))
    chosen, weights = step["topk_idx"].array(), step["topk_weights"].values()
    output = step["output"].values()
    order, own = np.argsort(chosen, -1), np.argsort(layer.chosen, -1)
    error = float(np.linalg.norm(output - expected) / np.linalg.norm(expected))
    same = bool((np.take_along_axis(chosen, order, -1) == np.take_along_axis(layer.chosen, own, -1)).all())
    factors = np.take_along_axis(layer.factors, own, -1)
    off = float((np.abs(np.take_along_axis(weights, order, -1) - factors) / np.abs(factors)).max())
    right = same and off <= WEIGHT_LIMIT and error <= LIMIT
    return {**line, "check": time.monotonic() - ran, "same_experts": same, "weights": off, "error": error, "right": right}


# All models


def start(name, options):
    sizes = ",".join(map(str, MODELS[name][1]))
    with tempfile.TemporaryDirectory(dir=options.folder) as folder:
        result = subprocess.run(
            [sys.executable, __file__, options.program, "--device", options.device, "--folder", folder, "--one", name],
            env={**os.environ, SIZES: sizes}, capture_output=True, text=True)  # fmt: skip
    if result.returncode != 0:
        return {"model": name, "problem": result.stderr.strip()[-600:]}
    return json.loads(result.stdout)


def say(found):
    if "problem" in found:
        return f"WRONG  {found['model']:<24} {found['problem']}"
    verdict = "right" if found["right"] else "WRONG"
    hidden, width, experts, top = found["sizes"]
    return (
        f"{verdict}  {found['model']:<24} {hidden}/{width}, {experts} experts, top-{top}: output {found['error']:.4f}, "
        f"weights {found['weights']:.1e}, experts {'the same' if found['same_experts'] else 'OTHERS'}; "
        f"{found['bytes'] / 2**30:.1f} GiB, made in {found['make']:.0f} s, run {found['run']:.0f}, checked {found['check']:.0f}"
    )


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("program")
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--models", default=",".join(MODELS))
    parser.add_argument("--jobs", type=int, default=3, help="models at a time")
    parser.add_argument("--folder", default=None)
    parser.add_argument("--one", help=argparse.SUPPRESS)
    options = parser.parse_args()
    options.program = str(Path(options.program).resolve())
    if options.one:
        print(json.dumps(run_one(options.one, options.program, options.device, Path(options.folder))))
        return
    names = options.models.split(",")
    for name in names:
        if name not in MODELS:
            parser.error(f"--models has '{name}', which is none of {', '.join(MODELS)}")
    wrong = 0
    with concurrent.futures.ThreadPoolExecutor(options.jobs) as pool:
        for found in pool.map(lambda name: start(name, options), names):
            print(say(found), flush=True)
            wrong += not found.get("right", False)
    print(f"{len(names) - wrong} right, {wrong} wrong")
    sys.exit(1 if wrong else 0)


if __name__ == "__main__":
    main()
