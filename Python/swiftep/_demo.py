"""One step of a small layer, checked against NumPy."""

from __future__ import annotations

import time
from typing import Any

from ._device import Device
from ._device_array import DeviceArray, _numpy
from ._errors import InternalError
from ._group import Group
from ._layer import OVERLAPS, LayerWeights, LocalLayers, SharedExpert
from ._numbers import to_bfloat16
from ._quantise import quantise_blocks
from ._reference import GPU_TOLERANCE, TOLERANCE, layer, relative_error

HIDDEN, INTERMEDIATE, LOCAL_EXPERTS, TOP_K, TOKENS = 256, 128, 2, 2, 8


def demo(device: str = "simulator", ranks: int = 4, seed: int = 1) -> None:
    """Runs a decode step of a small Mixture-of-Experts layer of several ranks in all overlap modes, from NumPy arrays,
    and prints whether all modes give the same bits, and how far they are from NumPy's Float32.

    device: "simulator", or "cuda:N" for a GPU. Raises ``InternalError`` if the outputs are wrong."""
    numpy = _numpy()
    random = numpy.random.default_rng(seed)
    experts = ranks * LOCAL_EXPERTS

    def matrix(*shape: int) -> tuple[Any, Any]:
        return quantise_blocks(random.standard_normal(shape, dtype=numpy.float32) * shape[-1] ** -0.5)

    weights = [
        LayerWeights(*matrix(LOCAL_EXPERTS, 2 * INTERMEDIATE, HIDDEN), *matrix(LOCAL_EXPERTS, HIDDEN, INTERMEDIATE))
        for _ in range(ranks)
    ]
    shared = SharedExpert(*matrix(2 * INTERMEDIATE, HIDDEN), *matrix(HIDDEN, INTERMEDIATE))
    x = [to_bfloat16(random.standard_normal((TOKENS, HIDDEN))) for _ in range(ranks)]
    choices = [
        numpy.stack([random.permutation(experts)[:TOP_K] for _ in range(TOKENS)]).astype(numpy.int64)
        for _ in range(ranks)
    ]
    factors = [random.dirichlet(numpy.ones(TOP_K), TOKENS).astype(numpy.float32) for _ in range(ranks)]
    reference = layer(x, choices, factors, weights, shared)

    with Device(device) as opened, Group.local(ranks, opened) as group:
        print(f"{opened.name}: {ranks} ranks, {experts} experts of which each token has {TOP_K}, one shared expert,")
        print(f"hidden {HIDDEN}, intermediate {INTERMEDIATE}, {TOKENS} tokens per rank, seed {seed}")
        put = _put(opened)
        own = [put(*parts) for parts in weights]
        layers = LocalLayers(group, own, put(*shared), top_k=TOP_K, max_tokens=TOKENS, two_batch=True)
        states, topk_idx, topk_weights = put(*x), put(*choices), put(*factors)
        tolerance = TOLERANCE if opened.is_simulator else GPU_TOLERANCE
        first: list[Any] | None = None
        for overlap in OVERLAPS:
            start = time.perf_counter()
            outputs = [_taken(output) for output in layers.step(states, topk_idx, topk_weights, overlap)]
            seconds = time.perf_counter() - start
            first = first or outputs
            identical = all(numpy.array_equal(a, b) for a, b in zip(first, outputs))
            error = relative_error(outputs, reference)
            same = "same bits" if identical else "OTHER BITS"
            print(f"  {overlap:<13} {seconds:7.3f} s   {same}   relative error {error:.1e} (limit {tolerance:.1e})")
            if not identical or not error <= tolerance:
                raise InternalError(f"{overlap}: {same}, relative error {error:.1e}, limit {tolerance:.1e}")


def _put(device: Device) -> Any:
    """Arrays as the device takes them: NumPy's own on the simulator, copies on a GPU."""

    def put(*arrays: Any) -> list[Any]:
        if device.is_simulator:
            return list(arrays)
        numpy = _numpy()
        types = {"uint8": "float8_e4m3fn", "uint16": "bfloat16"}
        return [device.array(array, types.get(numpy.asarray(array).dtype.name)) for array in arrays]

    return put


def _taken(output: Any) -> Any:
    return output.numpy() if isinstance(output, DeviceArray) else output
