"""What the part of the L2 that a layer sets aside gains the layer, and costs what an engine runs between layers.

    SWIFTEP_LIBRARY=PATH/libSwiftEPABI.so python3 set_aside.py [--tokens 32,128] [--experts 16] [--results FILE]

Needs a Hopper GPU and PyTorch with CUDA. Steps of a layer of DeepSeek-V3's sizes on one rank, going round two layers,
take turns with work of PyTorch's in a CUDA graph of twenty of each: a copy of 200 MB (read and written together), and a
product of BF16 matrices, 2048 x 4096 by 4096 x 4096, which reads its operands from the L2 again and again. Graphs are
replayed; numbers are medians in microseconds. "together" is a step and the work, "work alone" a graph of the work by
itself, and "gains" what setting aside takes off "together". With --results a row of each line is added to a file of
results, and plots.py makes the table from them.
"""

import argparse
import pathlib
import sys

from peers.swiftep import Results, median

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "Python"))

HIDDEN, INTERMEDIATE, TOP_K = 7168, 2048, 8
LAYERS, STEPS, REPLAYS, WARM_UPS = 2, 20, 20, 5


def copy(torch):
    source, destination = torch.zeros((2, 100_000_000), device="cuda", dtype=torch.uint8)
    return lambda: destination.copy_(source)


def product(torch):
    def matrix(rows, columns):
        return torch.randn((rows, columns), device="cuda", dtype=torch.bfloat16)

    a, b, out = matrix(2048, 4096), matrix(4096, 4096), matrix(2048, 4096)
    return lambda: torch.matmul(a, b, out=out)


WORK = {"copy of 200 MB": copy, "BF16 product": product}


def weights(torch, experts):
    """Random weights of a rank, as the layer takes them."""
    def codes(*shape):
        return (torch.randn(shape, device="cuda") * 120).clamp(-448, 448).to(torch.float8_e4m3fn)

    def scales(rows, columns):
        return torch.full((experts, rows // 128, columns // 128), 1e-3, device="cuda")

    def stacked(rows, columns):
        return codes(rows, columns).expand(experts, rows, columns).contiguous()

    return {
        "gate_up": stacked(2 * INTERMEDIATE, HIDDEN), "gate_up_scales": scales(2 * INTERMEDIATE, HIDDEN),
        "down": stacked(HIDDEN, INTERMEDIATE), "down_scales": scales(HIDDEN, INTERMEDIATE),
    }


def measure(torch, step):
    """Microseconds of a step in each replay of a graph of several."""
    for number in range(LAYERS):
        step(number)
    torch.cuda.synchronize()
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        for number in range(STEPS):
            step(number)
    times = []
    for replay in range(WARM_UPS + REPLAYS):
        start, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
        start.record()
        graph.replay()
        end.record()
        torch.cuda.synchronize()
        if replay >= WARM_UPS:
            times.append(start.elapsed_time(end) * 1e3 / STEPS)
    return times


def times(torch, swiftep, tokens, experts, given, aside):
    """For each kind of work: replays together, and of the work alone; under no name those of the layer alone."""
    top_k = min(TOP_K, experts)
    x = torch.randn((tokens, HIDDEN), device="cuda", dtype=torch.bfloat16)
    chosen = torch.rand((tokens, experts), device="cuda").topk(top_k).indices
    factors = torch.rand((tokens, top_k), device="cuda")
    out = torch.empty_like(x)
    with swiftep.Group.local(1, "cuda") as group:
        layers = [
            swiftep.MoELayer(group, **given, top_k=top_k, max_tokens=tokens, set_l2_aside=aside) for _ in range(LAYERS)]

        def layer(number):
            layers[number % LAYERS](x, chosen, factors, "direct", out)

        result = {"": measure(torch, layer)}
        for name, make in WORK.items():
            work = make(torch)

            def both(number):
                layer(number)
                work()

            result[name] = measure(torch, both), measure(torch, lambda number: work())
        return result


def add(results, tokens, experts, found, aside):
    """Adds a row for each kind of work to `results`, of what `times` found."""
    for name in WORK:
        together, alone = found[name]
        results.add(
            "setAside", name, together, tokens=tokens, experts=experts, ranks=1, processes=1, devices=1, hidden=HIDDEN,
            intermediate=INTERMEDIATE, topK=min(TOP_K, experts), weightSets=LAYERS,
            setAside="layer" if aside else "driver", layerMicroseconds=median(found[""]),
            workMicroseconds=median(alone))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tokens", default="32,128")
    parser.add_argument("--experts", type=int, default=16)
    parser.add_argument("--results", metavar="FILE", help="add all rows to this file of results")
    arguments = parser.parse_args()
    try:
        import torch
    except ImportError:
        sys.exit("PyTorch is not installed: pip install torch")
    if not torch.cuda.is_available():
        sys.exit("PyTorch finds no GPU")
    import swiftep

    results = Results(arguments.results, torch, "swiftep")
    given = weights(torch, arguments.experts)
    print(f"{torch.cuda.get_device_name(0)}, {arguments.experts} experts, direct")
    print(f"{'tokens':>6}  {'work':15} {'set aside':>9} {'layer alone':>11} {'work alone':>10} {'together':>9} "
          f"{'gains':>6}")
    for tokens in map(int, arguments.tokens.split(",")):
        without, having = (times(torch, swiftep, tokens, arguments.experts, given, aside) for aside in (False, True))
        for aside, found in ((False, without), (True, having)):
            add(results, tokens, arguments.experts, found, aside)
        for name in WORK:
            for aside, found in (("no", without), ("yes", having)):
                together, alone = map(median, found[name])
                gains = f"{median(without[name][0]) - together:6.1f}" if found is having else ""
                print(f"{tokens:6}  {name:15} {aside:>9} {median(found['']):11.1f} {alone:10.1f} {together:9.1f} "
                      f"{gains}", flush=True)


if __name__ == "__main__":
    main()
