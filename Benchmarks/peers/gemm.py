"""Times the grouped FP8 GEMM of sgl-deep-gemm and of SwiftEP on the same shapes, in one run.

    python3 gemm.py --swiftep PATH [--tokens 1,8,16,32,64,128] [--experts 16] [--results FILE]

Needs a Hopper GPU, PyTorch with CUDA, and the wheels sgl-deep-gemm==0.1.5 and apache-tvm-ffi==0.1.11. Both sides run
twenty launches or a few more in a CUDA graph that goes round several sets of random weights, as many on both sides,
with three times the L2 between two uses of the same; a row of the table has medians over replays of the graph, in
microseconds, and with --results both sides' rows are added to a file of results, see Benchmarks/results/README.md.
"floor" is a kernel of SwiftEP that only reads the weights; "+ output" reads them and writes as much as the output to
memory. "chained" is SwiftEP with programmatic dependent launch, where a launch loads weights while the one before it
ends. The peer uses dependent launch too where its version has it.
"""

import argparse
import sys

from swiftep import Results, bench, median

SHAPES = {"gate+up": (4096, 7168), "down": (7168, 2048)}
LAUNCHES, REPLAYS, WARM_UPS = 20, 30, 5
SOURCE = "sgl-deep-gemm 0.1.5"


def load_peer():
    """The peer's module and torch, or a sentence that says what is missing."""
    try:
        import torch
    except ImportError:
        return None, None, "PyTorch is not installed: pip install torch"
    if not torch.cuda.is_available():
        return None, None, "PyTorch finds no GPU"
    try:
        import deep_gemm
    except ImportError as error:
        return None, None, f"{error}: pip install sgl-deep-gemm==0.1.5 apache-tvm-ffi==0.1.11"
    return torch, deep_gemm, None


class Peer:
    """The masked grouped GEMM of sgl-deep-gemm."""

    def __init__(self, torch, deep_gemm, experts):
        self.torch, self.deep_gemm, self.experts = torch, deep_gemm, experts
        self.dependent = hasattr(deep_gemm, "set_pdl")
        if self.dependent:
            deep_gemm.set_pdl(True)
        torch.manual_seed(1)

    def codes(self, *shape):
        """Random E4M3 values; random bytes would hold NaN and huge exponents."""
        torch = self.torch
        return torch.randn(shape, device="cuda", dtype=torch.bfloat16).to(torch.float8_e4m3fn)

    def weights(self, n, k, sets):
        """As many sets of weights as ours."""
        torch = self.torch
        one = self.codes(n, k)
        return [
            (one.expand(self.experts, n, k).contiguous(),
             torch.full((self.experts, n // 128, k // 128), 1e-4, device="cuda"))
            for _ in range(sets)
        ]

    def time(self, sets, tokens, n, k):
        """Microseconds of a launch in each replay with this many tokens for each expert."""
        torch, experts = self.torch, self.experts
        rows = max(tokens, 64)
        a = self.codes(experts, rows, k)
        scales = torch.full((experts, rows, k // 128), 0.01, device="cuda")
        out = torch.empty((experts, rows, n), device="cuda", dtype=torch.bfloat16)
        counts = torch.full((experts,), tokens, device="cuda", dtype=torch.int32)
        scales = self.deep_gemm.transform_sf_into_required_layout(
            scales, rows, k, (1, 128, 128), experts, True, False)

        def launch(number):
            self.deep_gemm.fp8_m_grouped_gemm_nt_masked((a, scales), sets[number % len(sets)], out, counts, tokens)

        launch(0)
        torch.cuda.synchronize()
        launches = -(-LAUNCHES // len(sets)) * len(sets)
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph):
            for number in range(launches):
                launch(number)
        times = []
        for replay in range(WARM_UPS + REPLAYS):
            start, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
            start.record()
            graph.replay()
            end.record()
            torch.cuda.synchronize()
            if replay >= WARM_UPS:
                times.append(start.elapsed_time(end) * 1e3 / launches)
        return times


def ours(binary, experts, n, k, tokens, results, extra=()):
    """The report of our own measurement."""
    return bench(binary, "gemm", "--experts", experts, "--n", n, "--k", k, "--tokens", ",".join(map(str, tokens)),
                 *extra, results=results)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--swiftep", default="swiftep", help="the swiftep binary")
    parser.add_argument("--experts", type=int, default=16)
    parser.add_argument("--tokens", default="1,8,16,32,64,128")
    parser.add_argument("--results", metavar="FILE", help="add all rows to this file of results")
    arguments = parser.parse_args()
    tokens = [int(number) for number in arguments.tokens.split(",")]

    torch, deep_gemm, missing = load_peer()
    if missing:
        print(f"The peer is missing, so no ratio can be given. {missing}", file=sys.stderr)
    peer = None if missing else Peer(torch, deep_gemm, arguments.experts)
    results = None if missing else Results(arguments.results, torch, SOURCE)
    print(f"{'shape':8} {'tokens':>6} {'floor':>7} {'+ output':>8} {'ours':>7} {'chained':>7} {'of floor':>8} {'peer':>7} "
          f"{'peer/ours':>9} {'peer/chained':>12} {'peer/floor':>10} {'peer/+ output':>13}")
    for name, (n, k) in SHAPES.items():
        report = ours(arguments.swiftep, arguments.experts, n, k, tokens, arguments.results)
        chained = ours(arguments.swiftep, arguments.experts, n, k, tokens, arguments.results, ["--dependent"])
        sets = peer.weights(n, k, report["weightSets"]) if peer else None
        for entry, after in zip(report["entries"], chained["entries"]):
            mine, floor, fast = entry["medianMicroseconds"], report["floorMicroseconds"], after["medianMicroseconds"]
            written = entry["floorWithOutputMicroseconds"]
            theirs = None
            if peer:
                times = peer.time(sets, entry["tokens"], n, k)
                theirs = median(times)
                results.add(
                    "gemm", "masked grouped GEMM", times, tokens=entry["tokens"], experts=arguments.experts, n=n, k=k,
                    swiGLU=False, signals=False, dependent=peer.dependent, weightSets=report["weightSets"],
                    floorMicroseconds=floor, floorWithOutputMicroseconds=written, ratioToFloor=theirs / floor)
            cells = (f"{theirs:7.1f} {theirs / mine:9.3f} {theirs / fast:12.3f} {theirs / floor:10.3f} "
                     f"{theirs / written:13.3f}") if theirs else f"{'missing':>7}"
            print(f"{name:8} {entry['tokens']:6} {floor:7.1f} {written:8.1f} {mine:7.1f} {fast:7.1f} {fast / floor:8.3f} "
                  f"{cells}", flush=True)
        del sets
    sys.exit(1 if missing else 0)


if __name__ == "__main__":
    main()
