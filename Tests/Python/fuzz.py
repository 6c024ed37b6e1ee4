"""Calls everything with wrong arguments, closed objects and in any order. Whatever happens is a ``swiftep.Error``.

    fuzz.py SEED CALLS

Prints how the calls ended; the caller sees by the exit status that the interpreter has lived."""

import collections
import random
import sys

import numpy as np
import swiftep

SHAPE = {"hidden": 128, "experts": 4, "top_k": 2, "max_tokens": 3}


class Fuzz:
    def __init__(self, seed):
        self.random = random.Random(seed)
        self.numbers = np.random.default_rng(seed)
        self.ends = collections.Counter()
        self.objects = []
        self.restart()

    def restart(self):
        """New objects; some of the old ones stay, closed, to be used as well."""
        self.device = swiftep.Device()
        self.group = swiftep.Group.local(2, self.device)
        self.buffers = self.group.buffers(**SHAPE, wait_seconds=0.0005)
        matrix = [
            swiftep.quantise_blocks(self.numbers.standard_normal((2, *shape))) for shape in ((256, 128), (128, 128))
        ]
        self.weights = [swiftep.LayerWeights(*matrix[0], *matrix[1])] * 2
        self.layers = self.group.layers(weights=self.weights, top_k=2, max_tokens=3, wait_seconds=0.0005)
        self.packed = swiftep.PackedWeights(self.device, *matrix[1])
        self.gemm = swiftep.GroupedGEMM(self.packed, max_rows=8, block_m=16)
        dispatch = self.buffers[0].dispatch(self.array(np.uint16, (3, 128)), self.choices())
        array = self.device.zeros((3, 128), "bfloat16")
        self.objects = self.objects[-12:] + [
            self.device, self.group, *self.buffers, *self.layers, self.packed, self.gemm, dispatch, array,
            self.device.stream(), dispatch.expert_output,
        ]  # fmt: skip

    def array(self, dtype, shape):
        return self.numbers.integers(0, 100, shape).astype(dtype)

    def choices(self):
        return np.stack([self.numbers.permutation(6)[:2] - 1 for _ in range(3)]).astype(np.int64)

    def anything(self):
        """An argument that is probably wrong."""
        pick = self.random.choice
        kind = self.random.randrange(12)
        if kind == 0:
            return pick(
                [None, True, -1, 0, 1, 2, 7, 2**31, 2**32, 2**63, 2**64, 10**30, 0.5, float("nan"), float("inf")]
            )
        if kind == 1:
            return pick(
                ["", "none", "direct", "simulator", "cuda", "float32", "x" * 500, "\0", "ä", b"bytes", object()]
            )
        if kind == 2:
            return pick(self.objects)
        if kind == 3:
            return [self.anything() for _ in range(self.random.randrange(4))]
        dtype = pick(
            ["uint16", "uint16", "int64", "float32", "uint8", "int32", "uint32", "float64", ">u2", "bool", "O"]
        )
        shape = pick(
            [(3, 128), (3, 2), (2,), (2, 6, 128), (2, 8, 128), (2, 1, 128), (0, 128), (), (1, 128), (4, 128), (3, 256)]
        )
        array = self.array(dtype, shape)
        if kind == 4 and array.ndim:
            return array[..., ::2]
        if kind == 5:
            return array.T
        if kind == 6:
            raw = np.zeros(array.nbytes + 1, np.uint8)[1:]
            return raw.view(array.dtype).reshape(shape) if dtype != "O" else raw
        if kind == 7:
            array.flags.writeable = False
        return array

    def plausible(self, name):
        """An argument as the function wants it, or anything."""
        if self.random.random() < 0.35:
            return self.anything()
        pick = self.random.choice
        right = {
            "x": lambda: self.array(np.uint16, (3, 128)),
            "topk_idx": self.choices,
            "topk_weights": lambda: self.array(np.float32, (3, 2)),
            "rows": lambda: self.array(np.uint16, (2, 6, 128)),
            "codes": lambda: self.array(np.uint8, (2, 8, 128)),
            "row_scales": lambda: self.array(np.float32, (2, 1, 128)),
            "counts": lambda: self.array(np.int32, (2,)) % 9,
            "dispatch": lambda: pick([o for o in self.objects if isinstance(o, swiftep.Dispatch)]),
            "overlap": lambda: pick(["none", "single_batch", "two_batch", "direct"]),
            "stream": lambda: pick([None, None, *[o for o in self.objects if isinstance(o, swiftep.Stream)]]),
            "rank": lambda: pick([0, 1]),
            "flag": lambda: pick([True, False]),
            "masks": lambda: np.zeros(2, np.int32),
        }
        return right[name]()

    def one(self):
        pick, p = self.random.choice, self.plausible
        buffer = pick([o for o in self.objects if isinstance(o, swiftep.Buffer)])
        layer = pick([o for o in self.objects if isinstance(o, swiftep.MoELayer)])
        gemm = pick([o for o in self.objects if isinstance(o, swiftep.GroupedGEMM)])
        dispatch = pick([o for o in self.objects if isinstance(o, swiftep.Dispatch)])
        options = {key: self.anything() for key in self.random.sample(["block_m", "scales", "mask", "wait_seconds"], 2)}
        factors = ("topk_idx", "topk_weights")
        calls = {
            "dispatch": lambda: self.objects.append(buffer.dispatch(p("x"), p("topk_idx"), stream=p("stream"))),
            "receive": lambda: dispatch.receive(stream=p("stream")),
            "views": lambda: (dispatch.rows, dispatch.source_info, dispatch.layout_range),
            "combine": lambda: buffer.combine(p("dispatch"), p("rows"), p("topk_idx"), p("topk_weights")),
            "combine into": lambda: buffer.combine(dispatch, p("rows"), *map(p, factors), self.anything()),
            "overlap": lambda: buffer.combine_send(dispatch, p("rows"), swiftep.Overlap(*[self.anything()] * 3)),
            "enqueue": lambda: layer.enqueue(p("x"), *map(p, factors), p("overlap"), stream=p("stream")),
            "call": lambda: layer(p("x"), p("topk_idx"), p("topk_weights")),
            "step": lambda: self.layers.step(*[[p(n), p(n)] for n in ("x", "topk_idx", "topk_weights")], p("overlap")),
            "gemm": lambda: gemm.enqueue(p("codes"), p("row_scales"), p("counts"), stream=p("stream")),
            "pack": lambda: swiftep.PackedWeights(self.anything(), self.anything(), self.anything()),
            "make gemm": lambda: swiftep.GroupedGEMM(self.packed, max_rows=self.anything(), block_m=self.anything()),
            "make buffer": lambda: swiftep.Buffer(self.group, self.anything(), **{**SHAPE, **options}),
            "make layer": lambda: swiftep.MoELayer(
                self.group, p("rank"), **{**self.weights[0]._asdict(), pick(["down", "gate_up"]): self.anything()},
                top_k=self.anything(), max_tokens=3,
            ),
            "array": lambda: self.device.array(self.anything(), pick([None, "bfloat16", "int64", self.anything()])),
            "empty": lambda: self.device.empty(pick([3, (2, 2), "12", -1, None, (2**50,)]), pick(["int32", "bits"])),
            "mask": lambda: pick([buffer, layer]).mask(p("rank"), p("flag")),
            "masks": lambda: pick([buffer, layer]).masks(p("masks")),
            "barrier": lambda: buffer.barrier(stream=p("stream")),
            "poll": lambda: pick([buffer, layer]).poll(),
            "check": lambda: pick([buffer, layer]).check(),
            "reset": lambda: self.group.reset(pick([self.buffers, list(self.layers)]), pick([0.05, -1, None])),
            "connect": lambda: pick([buffer, layer]).connect(pick([0.01, 0, "soon"])),
            "synchronize": lambda: pick([self.group, self.device]).synchronize(),
            "replay": lambda: self.device.capture(
                self.device.stream(), lambda: gemm.enqueue(p("codes"), p("row_scales"), p("counts"))
            ),
            "close": lambda: pick(self.objects).close(),
            "identity": lambda: swiftep.Group.join(self.anything(), 0, self.anything(), None, self.device, 0.01),
            "device": lambda: swiftep.Device(self.anything()),
        }  # fmt: skip
        name = pick(list(calls))
        if name == "close" and self.random.random() < 0.7:
            return
        try:
            calls[name]()
            self.ends[name, "done"] += 1
        except swiftep.Error as wrong:
            assert str(wrong).strip(), name
            self.ends[name, type(wrong).__name__] += 1
            if isinstance(wrong, swiftep.InternalError):
                print(f"{name}: InternalError: {wrong}")
        except AttributeError:
            # Only objects without close() have none.
            assert name == "close"
        except Exception:
            print(f"{name} ended in something else")
            raise


def main():
    seed, calls = int(sys.argv[1]), int(sys.argv[2])
    fuzz = Fuzz(seed)
    for call in range(calls):
        if call % 40 == 39:
            fuzz.device.close() if call % 80 == 79 else fuzz.buffers[0].close()
            fuzz.restart()
        fuzz.one()
    for (name, end), count in sorted(fuzz.ends.items()):
        print(f"{name:<14} {end:<16} {count}")
    print("alive")


if __name__ == "__main__":
    main()
