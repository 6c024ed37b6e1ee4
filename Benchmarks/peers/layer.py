"""Times the fused MoE layer ("Mega MoE") of sgl-deep-gemm and the layer of SwiftEP on the same shapes, in one run.

    python3 layer.py --swiftep PATH [--tokens 8,32,64,128] [--experts 16] [--between 200MB] [--results FILE]

Needs a Hopper GPU, PyTorch for CUDA 13, the wheels sgl-deep-gemm==0.1.5 and apache-tvm-ffi==0.1.11, and for the peer's
kernels, which are compiled when they are first called, the CUDA toolkit with nvcc in CUDA_HOME and a C++ compiler.

Shapes are DeepSeek-V3's: hidden 7168, intermediate 2048, top-8 (or as many as there are experts), all experts on one
rank. Both sides run twenty steps or a few more in a CUDA graph and replay it five times in a row; a row of the table
has medians over nine such measurements, in microseconds. Steps go round several layers with weights of their own, as
many on both sides, so that none stay in the L2. The peer gets the routing of `swiftep bench layer`, drawn from the same
stream of random numbers, and weights of the same distribution. With --between, both are measured among copies of other
memory, as many bytes read and written together, whose own time, measured alone, is taken out. With --results both
sides' rows are added to a file of results, see Benchmarks/results/README.md.

A step of either side takes BF16 tokens, experts and weights of the routing that lie on the device, and gives BF16
tokens: quantisation to FP8 (E4M3, one scale for 128 channels), the rows' way to their experts, gate and up, SwiGLU and
quantisation, down (weights E4M3, one FP32 scale for 128 x 128), and the weighted sum. Neither has a router or a shared
expert, and neither clamps activations. What differs:

- The peer quantises tokens and copies the routing in a kernel of its own; all the rest is one kernel. "fused" is that
  one alone, which is less than a step of ours.
- The peer multiplies with the routing's weight before it quantises for down, and has one scale for 64 channels there;
  ours multiplies at the end, and has one for 128.
- Ours gives up waiting on memory after a deadline, with an error; most waits of the peer have none.

"floor" is a kernel of SwiftEP that only reads the weights, and "/floor" what the best of ours and the peer take times
that; "none", "singleBatch" and "direct" are modes of SwiftEP, the best of which the peer is compared with. The peer's
programmatic dependent launch is off, as it is unless asked for: its fused kernel does not wait for the launch before
it. Its buffer is plain device memory, as nobody shares one rank's. Before the peer is timed, and afterwards, its result
is compared with FP32 arithmetic.
"""

import argparse
import sys
import types
from unittest import mock

from swiftep import Results, bench, median

HIDDEN, INTERMEDIATE, TOP_K = 7168, 2048, 8
MODES = ("none", "singleBatch", "direct")
STEPS, REPLAYS, ROUNDS, WARM_UPS = 20, 5, 9, 2
SOURCE = "sgl-deep-gemm 0.1.5"
UNITS = {"KB": 10**3, "MB": 10**6, "GB": 10**9}
LARGEST_ERROR = 0.1


def load_peer():
    """The peer's module and torch, or a sentence that says what is missing."""
    try:
        import torch
    except ImportError:
        return None, None, "PyTorch is not installed: pip install torch"
    if not torch.cuda.is_available():
        return None, None, "PyTorch finds no GPU"
    if torch.cuda.get_device_capability()[0] != 9:
        return None, None, "The GPU is not a Hopper GPU"
    try:
        import deep_gemm
    except ImportError as error:
        return None, None, f"{error}: pip install sgl-deep-gemm==0.1.5 apache-tvm-ffi==0.1.11"
    except AssertionError:
        return None, None, "sgl-deep-gemm finds no CUDA toolkit, with whose nvcc it compiles its kernels: set CUDA_HOME"
    except Exception as error:
        return None, None, f"sgl-deep-gemm, which needs a PyTorch for CUDA 13, cannot be loaded: {first_line(error)}"
    if not hasattr(deep_gemm, "fp8_mega_moe"):
        return None, None, "This deep_gemm has no Mega MoE for Hopper: pip install sgl-deep-gemm==0.1.5"
    return torch, deep_gemm, None


def first_line(error):
    """What an error says, without the trace that some carry."""
    return (str(error).strip() or repr(error)).splitlines()[0]


class RandomStream:
    """SwiftEP's `RandomStream`: SplitMix64, one stream for each name."""

    MASK, STEP = (1 << 64) - 1, 0x9E3779B97F4A7C15

    def __init__(self, seed, name):
        key = 0xCBF29CE484222325
        for byte in name.encode():
            key = (key ^ byte) * 0x100000001B3 & self.MASK
        self.state = seed ^ key
        self.skip(1)
        self.state ^= key

    def skip(self, count):
        """Leaves numbers out."""
        self.state = self.state + count * self.STEP & self.MASK

    def next(self):
        """The next 64 bits."""
        self.skip(1)
        mixed = self.state
        mixed = (mixed ^ mixed >> 30) * 0xBF58476D1CE4E5B9 & self.MASK
        mixed = (mixed ^ mixed >> 27) * 0x94D049BB133111EB & self.MASK
        return mixed ^ mixed >> 31

    def below(self, bound):
        """A whole number from 0 to `bound` - 1, as Swift's standard library draws it."""
        while True:
            product = self.next() * bound
            if product & self.MASK >= (1 << 64) % bound:
                return product >> 64

    def shuffled(self, count):
        """The numbers from 0 to `count` - 1 in the order that Swift's `shuffled(using:)` gives them."""
        numbers = list(range(count))
        for place in range(count - 1):
            other = place + self.below(count - place)
            numbers[place], numbers[other] = numbers[other], numbers[place]
        return numbers

    def uniform(self):
        """From 0 to 1."""
        return (self.next() >> 40) / (1 << 24)


def routing(tokens, experts):
    """Each token's experts and their weights, as in `swiftep bench layer`."""
    random = RandomStream(1, "input of rank 0")
    random.skip(tokens * HIDDEN)
    top_k = min(TOP_K, experts)
    chosen = [random.shuffled(experts)[:top_k] for _ in range(tokens)]
    weights = [[0.1 + random.uniform() for _ in range(top_k)] for _ in range(tokens)]
    return chosen, weights


class Peer:
    """The fused layer of sgl-deep-gemm on one rank."""

    def __init__(self, torch, deep_gemm, experts, sets, between):
        self.torch, self.deep_gemm, self.experts, self.between = torch, deep_gemm, experts, between
        deep_gemm.set_pdl(False)
        torch.manual_seed(1)
        # All experts of all layers have the same weights, each in memory of its own.
        self.matrices = self.codes(2 * INTERMEDIATE, HIDDEN), self.codes(HIDDEN, INTERMEDIATE)
        self.layers = [
            deep_gemm.transform_weights_for_mega_moe_sm90(*map(self.stacked, self.matrices)) for _ in range(sets)]
        self.other = torch.zeros((2, between // 2), device="cuda", dtype=torch.uint8) if between else None

    def codes(self, *shape):
        """Random E4M3 values, spread over the format's range."""
        torch = self.torch
        return (torch.randn(shape, device="cuda") * 120).clamp(-448, 448).to(torch.float8_e4m3fn)

    def stacked(self, matrix):
        """The weights of all experts and their scales."""
        n, k = matrix.shape
        return (matrix.expand(self.experts, n, k).contiguous(),
                self.torch.full((self.experts, n // 128, k // 128), 1e-3, device="cuda"))

    def buffer(self, tokens):
        """The buffer that ranks share, here in plain memory of the only one."""
        group = types.SimpleNamespace(size=lambda: 1, rank=lambda: 0, barrier=lambda: None)

        def rendezvous(memory, group):
            return types.SimpleNamespace(buffer_ptrs=[memory.data_ptr()])

        shared = "torch.distributed._symmetric_memory"
        with mock.patch.multiple(shared, empty=self.torch.empty, rendezvous=rendezvous):
            return self.deep_gemm.get_symm_buffer_for_mega_moe(
                group, self.experts, tokens, min(TOP_K, self.experts), HIDDEN, INTERMEDIATE)

    def time(self, tokens):
        """Microseconds of a step with this many tokens, and of the fused kernel alone, in each measurement."""
        torch = self.torch
        buffer = self.buffer(tokens)
        chosen, weights = routing(tokens, self.experts)
        chosen = torch.tensor(chosen, device="cuda", dtype=torch.int32)
        weights = torch.tensor(weights, device="cuda", dtype=torch.float32)
        states = torch.randn((tokens, HIDDEN), device="cuda", dtype=torch.bfloat16)
        out = torch.zeros_like(states)

        def fused(number=0):
            self.deep_gemm.fp8_mega_moe(out, *self.layers[number % len(self.layers)], buffer)

        def step(number=0):
            self.deep_gemm.mega_moe_pre_dispatch_sm90(
                states, chosen, weights, buffer.x, buffer.x_sf, buffer.topk_idx, buffer.topk_weights, tokens)
            fused(number)

        for number in range(len(self.layers)):
            out.zero_()
            step(number)
            self.check(out, states, weights)
        out.zero_()
        times = self.among_others(step), self.among_others(fused)
        self.check(out, states, weights)
        return times

    def copy(self, number=0):
        """What others do between steps."""
        self.other[0].copy_(self.other[1])

    def among_others(self, launch):
        """Microseconds of a launch, with work in between less that work's own time."""
        if not self.between:
            return self.measure(launch)

        def both(number):
            launch(number)
            self.copy()

        own = median(self.measure(self.copy))
        return [time - own for time in self.measure(both)]

    def measure(self, launch):
        """Microseconds of a launch in each measurement of replays of a graph, which goes round the layers."""
        torch = self.torch
        torch.cuda.synchronize()
        steps = -(-STEPS // len(self.layers)) * len(self.layers)
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph):
            for number in range(steps):
                launch(number)
        times = []
        for number in range(WARM_UPS + ROUNDS):
            start, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
            start.record()
            for _ in range(REPLAYS):
                graph.replay()
            end.record()
            torch.cuda.synchronize()
            if number >= WARM_UPS:
                times.append(start.elapsed_time(end) * 1e3 / (steps * REPLAYS))
        return times

    def check(self, out, states, weights):
        """Throws where the result is not what FP32 arithmetic gives, up to the errors of FP8."""
        torch = self.torch
        torch.cuda.synchronize()
        if not out.isfinite().all() or not out.any():
            raise RuntimeError("its result is zero or not finite")
        gate_up, down = (matrix.float() * 1e-3 for matrix in self.matrices)
        gate, up = (states.float() @ gate_up.T).chunk(2, dim=1)
        expected = (torch.nn.functional.silu(gate) * up) @ down.T * weights.sum(dim=1, keepdim=True)
        error = ((out.float() - expected).norm() / expected.norm()).item()
        if not error <= LARGEST_ERROR:
            raise RuntimeError(f"its result is wrong: the relative error is {error:.2g}, limit {LARGEST_ERROR}")


def ours(binary, experts, tokens, between, results):
    """The report of our own measurement."""
    extra = ["--between", between] if between else []
    return bench(binary, "layer", "--ranks", 1, "--experts", experts, "--hidden", HIDDEN,
                 "--intermediate", INTERMEDIATE, "--topk", min(TOP_K, experts),
                 "--tokens", ",".join(map(str, tokens)), "--overlap", ",".join(MODES), *extra, results=results)


def size(text):
    """Bytes of a size such as 200MB, which `swiftep` checks."""
    return int(text[:-2]) * UNITS[text[-2:]]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--swiftep", default="swiftep", help="the swiftep binary")
    parser.add_argument("--experts", type=int, default=16)
    parser.add_argument("--tokens", default="8,32,64,128")
    parser.add_argument("--between", metavar="BYTES", help="bytes that others read and write between steps, as 200MB")
    parser.add_argument("--results", metavar="FILE", help="add all rows to this file of results")
    arguments = parser.parse_args()
    tokens = [int(number) for number in arguments.tokens.split(",")]
    experts = arguments.experts

    torch, deep_gemm, missing = load_peer()
    if missing:
        print(f"The peer is missing, so no ratio can be given. {missing}", file=sys.stderr)
    report = ours(arguments.swiftep, experts, tokens, arguments.between, arguments.results)
    # With --between layers with a part of the L2 set aside are measured as well.
    entries = {(entry["tokens"], entry["what"]): entry for entry in report["entries"] if entry["setAside"] == "driver"}
    between = size(arguments.between) if arguments.between else 0

    peer = results = None
    print(f"{'tokens':>6} {'floor':>7} {'none':>7} {'singleBatch':>11} {'direct':>7} {'/floor':>7} {'fused':>7} "
          f"{'peer':>7} {'/floor':>7} {'peer/best':>9}")
    for count in tokens:
        mine = [entries[count, mode]["medianMicroseconds"] for mode in MODES]
        first = entries[count, MODES[0]]
        floor = first["floorMicroseconds"]
        cells = f"{'missing':>7} {'missing':>7}"
        if not missing:
            try:
                peer = peer or Peer(torch, deep_gemm, experts, first["weightSets"], between)
                results = results or Results(arguments.results, torch, SOURCE)
                times, fused = peer.time(count)
                theirs = median(times)
                cells = f"{median(fused):7.1f} {theirs:7.1f} {theirs / floor:7.3f} {theirs / min(mine):9.3f}"
                for what, found in (("megaMoE", times), ("megaMoE without quantisation", fused)):
                    results.add(
                        "layer", what, found, tokens=count, ranks=1, processes=1, devices=1, experts=experts,
                        hidden=HIDDEN, intermediate=INTERMEDIATE, topK=min(TOP_K, experts), sharedExpert=False,
                        routing="even", rowsOfExperts=first["rowsOfExperts"], weightSets=first["weightSets"],
                        expertsRead=first["expertsRead"], floorMicroseconds=floor, idealMicroseconds=floor,
                        betweenBytes=between or None, betweenMemoryBytes=between or None)
            except Exception as error:
                missing = first_line(error)
                print(f"The peer fails, so no further ratio can be given: {missing}", file=sys.stderr)
                if "nvcc" in missing.lower():
                    print("It compiles its kernels with bin/nvcc in CUDA_HOME.", file=sys.stderr)
        print(f"{count:6} {floor:7.1f} {mine[0]:7.1f} {mine[1]:11.1f} {mine[2]:7.1f} {min(mine) / floor:7.3f} {cells}",
              flush=True)
    sys.exit(1 if missing else 0)


if __name__ == "__main__":
    main()
