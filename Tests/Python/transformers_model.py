"""A whole model of DeepSeek-V3's shape in transformers, with its experts on swiftep: right, and how fast.

    python3 Tests/Python/transformers_model.py                       # tiny, on the simulator
    python3 Tests/Python/transformers_model.py --device cuda --layers 4 --experts 16 --json model.json

Weights are random and seeded, prompts fixed. It checks that

- all ways of overlap give the same bits, in every logit of a greedy decode, and so the same tokens;
- each layer gives what PyTorch gives that rounds in the same places, half of the tokens within 1 %, all within 6 %;
- `swiftep.deep_ep` and `swiftep.deep_gemm`, as engines call them, give the same bits with Single Batch Overlap as
  without;
- logits are as far from a Float32 model of the same weights as those of a model that rounds in the same places, times
  1.25; a stock BF16 model stands beside it.

On a GPU it also captures decode steps into CUDA graphs, and times them so and with Python between kernels. It prints a
table, and exits with 1 if something is wrong.
"""

import argparse
import contextlib
import json
import os
import statistics
import sys
import tempfile
import time
import warnings
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "Python"))

import deepseek_shaped as shaped
import engine_style
import engines
import peers
import swiftep.transformers
import torch

#: A layer against PyTorch that rounds in the same places: the median over tokens, and the worst one. Sums in another
#: order fall on the other side of a rounding now and then, and an FP8 value then is another one, 6 % off; on a GPU more
#: often, as tensor cores sum FP8 products with fewer bits, for cuBLAS too (see ``swiftep._reference``).
LAYER_LIMITS = {"cpu": (0.01, 0.06), "cuda": (0.03, 0.06)}
#: Logits against Float32: how much more than FP8's own rounding.
LOGITS_LIMIT = 1.25
#: Logits of a graph against those of the same step without: libraries may choose other kernels there.
GRAPH_LIMIT = 0.05
#: Steps before a capture.
WARM = 3
#: transformers' own, for BF16 experts. `batched_mm` copies weights for each choice of each token, which do not fit.
STOCK = ("grouped_mm", "eager")


def main():
    options = parse()
    torch.set_grad_enabled(False)
    on_gpu = options.device != "cpu"
    # Buffers are made before they see a tensor.
    os.environ["SWIFTEP_DEVICE"] = "cuda" if on_gpu else "simulator"
    shape = shaped.Shape.full(options.layers, options.experts) if on_gpu else shaped.Shape.tiny()
    overlaps = [mode for mode in swiftep.transformers.OVERLAPS if mode in options.overlaps]
    model = shaped.fp8_model(shape, options.device, options.seed)
    shaped.register_references()
    swiftep.transformers.register(overlap="none", max_tokens=options.max_tokens, two_batch="two_batch" in overlaps)
    prompts = prompts_of(shape, options)
    report = {"shape": vars(shape), "device": device_name(options.device), "prompts": list(prompts.shape), "checks": []}

    tokens = check_overlaps(report, model, prompts, overlaps, options)
    check_layers(report, model, prompts)
    with engine_buffer(options) as buffer:
        check_engine_style(report, model, prompts)
        report["peers"] = peers_here(buffer, options) if on_gpu else "they need a GPU"
        check_logits(report, model, tokens)
        if on_gpu and options.steps:
            check_graphs(report, model, overlaps, options)
            report["times"] = times(model, overlaps, report["peers"], options)
    say(report)
    if options.json:
        Path(options.json).write_text(json.dumps(report, indent=1) + "\n")
    sys.exit(0 if all(check["right"] for check in report["checks"]) else 1)


def parse():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--device", default="cpu", help="cpu for the simulator, or cuda")
    parser.add_argument("--layers", type=int, default=4)
    parser.add_argument("--experts", type=int, default=16)
    parser.add_argument("--batch", type=int, default=None, help="sequences; 2 on the simulator, 32 on a GPU")
    parser.add_argument("--prompt", type=int, default=None, help="tokens of a prompt; 3 on the simulator, 12 on a GPU")
    parser.add_argument("--new", type=int, default=None, help="tokens to decode; 2 on the simulator, 16 on a GPU")
    parser.add_argument("--max-tokens", type=int, default=None, help="of a step; more run in several")
    parser.add_argument("--overlaps", nargs="+", default=list(swiftep.transformers.OVERLAPS))
    parser.add_argument("--steps", type=int, default=100, help="decode steps to time on a GPU; 0 for none")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--json", help="where to write what was found")
    options = parser.parse_args()
    small = options.device == "cpu"
    for name, on_simulator, on_gpu in (("batch", 2, 32), ("prompt", 3, 12), ("new", 2, 16), ("max_tokens", 4, 128)):
        if getattr(options, name) is None:
            setattr(options, name, on_simulator if small else on_gpu)
    return options


def prompts_of(shape, options):
    generator = torch.Generator().manual_seed(options.seed + 1)
    return torch.randint(shape.vocabulary, (options.batch, options.prompt), generator=generator).to(options.device)


def device_name(device):
    return "simulator" if device == "cpu" else torch.cuda.get_device_name()


# Right or wrong


def check(report, name, right, **found):
    report["checks"].append({"name": name, "right": bool(right), **found})


def use(model, implementation, overlap=None):
    model.set_experts_implementation(implementation)
    if overlap is not None:
        swiftep.transformers.set_overlap(model, overlap)
    return model


def decode(model, prompts, new):
    """Tokens `[batch, prompt + new]` and the logits of each new one `[new, batch, vocabulary]`, greedily."""
    made = model.generate(
        prompts,
        attention_mask=torch.ones_like(prompts),
        do_sample=False,
        max_new_tokens=new,
        min_new_tokens=new,
        output_logits=True,
        return_dict_in_generate=True,
        pad_token_id=0,
    )
    return made.sequences, torch.stack(made.logits)


def check_overlaps(report, model, prompts, overlaps, options):
    first = None
    for overlap in overlaps:
        tokens, logits = decode(use(model, "swiftep", overlap), prompts, options.new)
        first = first or (overlap, tokens, logits)
        same = torch.equal(tokens, first[1]) and torch.equal(logits, first[2])
        check(
            report, f"{overlap}: tokens and logits of {first[0]}, bit for bit", same and bool(logits.isfinite().all())
        )
    return first[1]


def check_layers(report, model, prompts):
    """Each layer's experts on what reaches them in the model."""
    use(model, "swiftep", "single_batch")
    seen = []
    hooks = [
        layer.mlp.experts.register_forward_hook(lambda module, given, made: seen.append((module, given, made)))
        for layer in model.model.layers
    ]
    model(prompts)
    for hook in hooks:
        hook.remove()
    for number, (module, given, made) in enumerate(seen):
        wanted = shaped.reference(module, *given, quantised=True)
        rows = (made.float() - wanted.float()).norm(dim=-1) / wanted.float().norm(dim=-1)
        median, worst = float(rows.median()), float(rows.max())
        median_limit, worst_limit = LAYER_LIMITS[made.device.type]
        check(
            report, f"layer {number}: experts against PyTorch with the same rounding",
            median <= median_limit and worst <= worst_limit, error=median, limit=median_limit, worst_token=worst,
            worst_limit=worst_limit,
            error_against_float32=engines.relative_error(made, shaped.reference(module, *given, quantised=False)),
        )  # fmt: skip


@contextlib.contextmanager
def engine_buffer(options):
    """Experts as engines run them, on a group of this process alone."""
    with tempfile.TemporaryDirectory() as folder:
        torch.distributed.init_process_group("gloo", init_method=f"file://{folder}/store", rank=0, world_size=1)
        buffer = engine_style.register(torch.distributed.group.WORLD, options.max_tokens, options.device != "cpu")
        try:
            yield buffer
        finally:
            buffer.destroy()
            torch.distributed.destroy_process_group()


def peers_here(buffer, options):
    """The peers' names and implementations, or why there are none."""
    try:
        peers.register(buffer, options.max_tokens)
    except Exception as wrong:  # Said in the table: the peer asserts, or raises what its loader raises.
        return f"{type(wrong).__name__}: {first_line(wrong)}"
    return {"sgl-deep-gemm, fused": peers.FUSED, "deep_ep, sgl-deep-gemm": peers.GEMM}


def first_line(wrong):
    return (str(wrong).strip() or repr(wrong)).splitlines()[0][:120]


def check_engine_style(report, model, prompts):
    plain = use(model, engine_style.PLAIN)(prompts).logits
    overlapped = use(model, engine_style.OVERLAPPED)(prompts).logits
    check(report, "deep_ep and deep_gemm: the same bits with overlap as without", torch.equal(plain, overlapped))


def check_logits(report, model, tokens):
    """Logits of whole sequences: the median over positions of the error against Float32."""
    exact = shaped.dequantised(model, torch.float32)(tokens).logits
    stock = shaped.dequantised(model, torch.bfloat16)(tokens).logits
    emulated = use(model, shaped.EMULATED)(tokens).logits
    ours = use(model, "swiftep", "single_batch")(tokens).logits
    engine = use(model, engine_style.OVERLAPPED)(tokens).logits
    all_found = {
        "stock BF16": stock,
        "PyTorch with FP8 rounding": emulated,
        "swiftep": ours,
        "deep_ep and deep_gemm": engine,
    }
    if isinstance(report["peers"], dict):
        for name, implementation in report["peers"].items():
            all_found[name] = use(model, implementation)(tokens).logits
    errors = {name: position_errors(found, exact) for name, found in all_found.items()}
    agreement = {
        name: float((found.argmax(-1) == exact.argmax(-1)).float().mean()) for name, found in all_found.items()
    }
    limit = LOGITS_LIMIT * errors["PyTorch with FP8 rounding"]
    for name in sorted(set(all_found) - {"stock BF16", "PyTorch with FP8 rounding"}):
        title, right = f"{name}: logits against Float32, as far as FP8 explains", errors[name] <= limit
        check(report, title, right, error=errors[name], limit=limit, errors=errors, same_choice_as_float32=agreement)


def position_errors(found, wanted):
    difference = (found.double() - wanted.double()).norm(dim=-1) / wanted.double().norm(dim=-1)
    return float(difference.median())


def check_graphs(report, model, overlaps, options):
    """A step that is replayed gives what it gives with Python between kernels, on a cache with the same tokens."""
    for overlap in overlaps:
        use(model, "swiftep", overlap)
        step = static_step(model, options)
        for _ in range(WARM + 1):
            wanted = step()
        error = engines.relative_error(Captured(model, options)(), wanted)
        title = f"{overlap}: a CUDA graph gives the logits of the same step"
        check(report, title, error <= GRAPH_LIMIT, error=error, limit=GRAPH_LIMIT)


# How fast


def times(model, overlaps, others, options):
    """Milliseconds of a decode step, the median of `steps`: with Python between kernels, and as a CUDA graph."""
    found = {}
    for overlap in overlaps:
        found[f"swiftep {overlap}"] = timed(use(model, "swiftep", overlap), options)
    found["deep_ep, deep_gemm"] = timed(use(model, engine_style.PLAIN), options)
    found["deep_ep, deep_gemm, overlap"] = timed(use(model, engine_style.OVERLAPPED), options)
    for name, implementation in others.items() if isinstance(others, dict) else ():
        found[name] = timed(use(model, implementation), options)
    for name in ("grouped_mm", "deepgemm"):
        found[f"stock FP8 {name}"] = timed(use(model, name), options)
    stock = shaped.dequantised(model, torch.bfloat16)
    for name in STOCK:
        found[f"stock BF16 {name}"] = timed(use(stock, name), options, in_graph=name != "eager")
    return found


def timed(model, options, in_graph=True):
    """`{"Python": ms, "graph": ms}`, or in place of a number why there is none."""
    found = {}
    for name, prepare in (("Python", static_step), ("graph", Captured)):
        if name == "graph" and not in_graph:
            found[name] = "its loop over experts waits for the host"
            continue
        try:
            found[name] = median_milliseconds(prepare(model, options), options.steps)
        except Exception as wrong:  # Said in the table: what cannot run here has no time.
            found[name] = f"{type(wrong).__name__}: {first_line(wrong)}"
    return found


def static_step(model, options):
    """A decode step on a cache of fixed size, with a token of each sequence that stays the same."""
    from transformers import StaticCache

    cache = StaticCache(config=model.config, max_cache_len=options.prompt + 2 * options.steps + 64)
    prompts = prompts_of(shaped.Shape(vocabulary=model.config.vocab_size), options)
    model(prompts, past_key_values=cache, use_cache=True)
    ids = prompts[:, :1].contiguous()
    positions = torch.full((options.batch, 1), options.prompt, device=options.device)
    # All of the cache is attended to: the mask's own kernels are not what is timed, and it is the same for all.
    mask = torch.zeros(
        options.batch, 1, 1, options.prompt + 2 * options.steps + 64, dtype=torch.bfloat16, device=options.device
    )
    return lambda: model(ids, past_key_values=cache, use_cache=True, position_ids=positions, attention_mask=mask).logits


class Captured:
    """The same step as a CUDA graph, after `WARM` steps without. It keeps the cache that the graph writes to."""

    def __init__(self, model, options):
        self.step = static_step(model, options)
        side = torch.cuda.Stream()
        side.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(side):
            for _ in range(WARM):
                self.step()
        torch.cuda.current_stream().wait_stream(side)
        self.graph = torch.cuda.CUDAGraph()
        # On the stream on which it has run: the first GEMM on a stream allocates.
        with torch.cuda.graph(self.graph, stream=side):
            self.logits = self.step()

    def __call__(self):
        self.graph.replay()
        return self.logits


def median_milliseconds(step, steps):
    for _ in range(5):
        step()
    found = []
    for _ in range(steps):
        torch.cuda.synchronize()
        began = time.perf_counter()
        step()
        torch.cuda.synchronize()
        found.append((time.perf_counter() - began) * 1e3)
    return statistics.median(found)


def say(report):
    shape = report["shape"]
    print(
        f"{shape['layers']} layers, hidden {shape['hidden']}, intermediate {shape['intermediate']}, "
        f"{shape['experts']} experts, top {shape['top_k']}, on {report['device']}, prompts {report['prompts']}"
    )
    for found in report["checks"]:
        numbers = f"  {found['error']:.4f}, at most {found['limit']:.4f}" if "error" in found else ""
        print(f"{'right' if found['right'] else 'WRONG'}  {found['name']}{numbers}")
    compared = next((found for found in report["checks"] if "errors" in found), {"errors": {}})
    for name, value in compared["errors"].items():
        agreement = compared["same_choice_as_float32"][name]
        print(f"       {name:<28} error {value:.4f}, {agreement:.1%} of Float32's choices")
    if "times" in report:
        print(f"\n{'decode step, ms':<28}{'Python':>10}{'graph':>10}")
        for name, found in report["times"].items():
            cells = [f"{v:>10.3f}" if isinstance(v, float) else f"{'-':>10}" for v in found.values()]
            reasons = [f"  {kind}: {v}" for kind, v in found.items() if isinstance(v, str)]
            print(f"{name:<28}{''.join(cells)}{''.join(reasons)}")
    if isinstance(report["peers"], str):
        print(f"no peers: {report['peers']}")


if __name__ == "__main__":
    with warnings.catch_warnings():
        main()
