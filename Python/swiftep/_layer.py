"""A whole layer of one rank, and the layers of all ranks of a process."""

from __future__ import annotations

import ctypes
import sys
from typing import Any, Mapping, NamedTuple, Sequence

from . import _check
from . import _structures as c
from ._arrays import Array, operand, output
from ._dtypes import BFLOAT16, FLOAT8, FLOAT32, INT64
from ._errors import InvalidArgument, OutOfOrder
from ._gemm import SCALES
from ._group import SECONDS, Group
from ._handles import Core
from ._library import call
from ._rank_object import RankObject
from ._streams import DefaultStream

OVERLAPS: Mapping[str, int] = {
    "none": c.OVERLAP_NONE,
    "single_batch": c.OVERLAP_SINGLE_BATCH,
    "two_batch": c.OVERLAP_TWO_BATCH,
    "direct": c.OVERLAP_DIRECT,
}
#: The least normal Float32 number: limits and factors are at least that.
LEAST_NORMAL = 2.0**-126
#: Sizes of weights are multiples of it: 16 bytes are packed at once.
STEP = 16
CLAMPS: Mapping[str, int] = {"gate": c.CLAMP_GATE, "silu": c.CLAMP_SILU}


class SharedExpert(NamedTuple):
    """Weights of the shared expert: FP8 E4M3 with Float32 scales of 128 x 128 blocks."""

    #: `[2 * shared_intermediate, hidden]`, gate above up.
    gate_up: Array
    #: `[2 * shared_intermediate / 128, hidden / 128]`; sizes / 128 are rounded up, here those of gate and of up
    #: each.
    gate_up_scales: Array
    #: `[hidden, shared_intermediate]`.
    down: Array
    #: `[hidden / 128, shared_intermediate / 128]`, rounded up.
    down_scales: Array


class LayerWeights(NamedTuple):
    """Weights of a rank's own experts: FP8 E4M3 with Float32 scales of 128 x 128 blocks."""

    #: `[local_experts, 2 * intermediate, hidden]`, gate above up.
    gate_up: Array
    #: `[local_experts, 2 * intermediate / 128, hidden / 128]`; sizes / 128 are rounded up, here those of gate and of up
    #: each.
    gate_up_scales: Array
    #: `[local_experts, hidden, intermediate]`.
    down: Array
    #: `[local_experts, hidden / 128, intermediate / 128]`, rounded up.
    down_scales: Array


class MoELayer(RankObject):
    """A rank's Mixture-of-Experts layer. Its weights are copied and packed on the device. All ranks make theirs in the
    same order.

    Args:
        rank: A rank of this process; None if there is only one.
        gate_up, gate_up_scales, down, down_scales: As in ``LayerWeights``; they give `hidden` and `intermediate`.
        shared: The shared expert, all ranks having the same; None if there is none.
        shared_gate: Whether the shared expert has a gate, as Qwen2-MoE, Qwen3-Next and Qwen3.5-MoE have it: then a step
            takes `shared_weights`, which multiply its output.
        experts: Experts of the group; None for those of `gate_up` times the ranks.
        top_k: Experts of a token, 1 to 32.
        max_tokens: Most tokens that a rank brings to a step.
        scales: Scales of dispatched rows and activations, "float32" or "power_of_two".
        swiglu_limit: Limit to which the gate is clamped from above, and up from both sides; None for no limit.
        swiglu_shared_limit: The same for the shared expert; "same" for the limit of the others.
        swiglu_clamp: The value that is clamped from above: "gate" itself, or "silu" of it.
        swiglu_alpha: Factor a in silu(g) = g / (1 + exp(-a * g)).
        swiglu_offset: Offset added to up after its clamp.
        block_m: Rows of a tile: 16, 32, 64 or 128; 0 for the height that suits an even spread of tokens.
        multiprocessors: Multiprocessors of this rank; 0 for its share of the device.
        communication_multiprocessors: The number of them that communicate in overlapped phases; None for the usual
            split.
        two_batch: Whether "two_batch" may be used, which takes memory.
        set_l2_aside: Whether a part of the GPU's L2 is set aside for data that the layer's kernels hand on to each
            other, as long as the layer lives and for all work of the process on the GPU, which has less of it then.
            Results are the same.
        mask, wait_seconds, link_bytes_per_second, link_latency_seconds, connect: As in ``Buffer``.

    Raises ``InvalidArgument``, ``DeviceError``, ``TransportError``."""

    _functions = "swiftep_layer"

    def __init__(
        self,
        group: Group,
        rank: int | None = None,
        *,
        gate_up: Array,
        gate_up_scales: Array,
        down: Array,
        down_scales: Array,
        shared: SharedExpert | Sequence[Array] | None = None,
        shared_gate: bool = False,
        experts: int | None = None,
        top_k: int,
        max_tokens: int,
        scales: str = "float32",
        swiglu_limit: float | None = None,
        swiglu_shared_limit: float | str | None = "same",
        swiglu_clamp: str = "gate",
        swiglu_alpha: float = 1.0,
        swiglu_offset: float = 0.0,
        block_m: int = 0,
        multiprocessors: int = 0,
        communication_multiprocessors: int | None = None,
        two_batch: bool = False,
        set_l2_aside: bool = False,
        mask: bool = False,
        wait_seconds: float = 0.0,
        link_bytes_per_second: float = 0.0,
        link_latency_seconds: float = 0.0,
        connect: bool | None = None,
    ) -> None:
        _check.instance(group, "group", Group, "a swiftep.Group")
        device = group.device
        places = c.LayerWeights()
        with device._lock:
            values = operand(gate_up, "gate_up", FLOAT8, ("local experts", "2 * intermediate", "hidden"), device)
            local, doubled, hidden = values.shape
            intermediate = _half(doubled, "gate_up")
            places.gate_up = values.address
            places.gate_up_scales = _scales(gate_up_scales, "gate_up_scales", (local, doubled, hidden), device, 2)
            places.down = operand(down, "down", FLOAT8, (local, hidden, intermediate), device).address
            places.down_scales = _scales(down_scales, "down_scales", (local, hidden, intermediate), device)
            shared_intermediate = 0 if shared is None else _shared(shared, places, hidden, device)
            gated = _check.flag(shared_gate, "shared_gate")
            if gated and shared is None:
                raise InvalidArgument("shared_gate is True, and shared is None; give the shared expert, or no gate")
            found = local * group.ranks
            if experts is not None and _check.integer(experts, "experts", 1) != found:
                raise InvalidArgument(
                    f"experts are {experts}, and gate_up has {local} for each of {group.ranks} ranks; give gate_up of "
                    f"experts / ranks experts"
                )
            split = communication_multiprocessors
            configuration = c.LayerConfiguration(
                hidden=hidden,
                intermediate=intermediate,
                experts=found,
                top_k=_check.integer(top_k, "top_k"),
                max_tokens=_check.integer(max_tokens, "max_tokens"),
                shared_intermediate=shared_intermediate,
                scales=_check.choice(scales, "scales", SCALES),
                block_m=_check.integer(block_m, "block_m"),
                multiprocessors=_check.integer(multiprocessors, "multiprocessors"),
                communication_multiprocessors=0
                if split is None
                else 1 + _check.integer(split, "communication_multiprocessors", high=2**31),
                two_batch=_check.flag(two_batch, "two_batch"),
                set_l2_aside=_check.flag(set_l2_aside, "set_l2_aside"),
                mask=_check.flag(mask, "mask"),
                shared_gate=gated,
                wait_seconds=_check.number(wait_seconds, "wait_seconds"),
                link_bytes_per_second=_check.number(link_bytes_per_second, "link_bytes_per_second"),
                link_latency_seconds=_check.number(link_latency_seconds, "link_latency_seconds"),
                **_swiglu(swiglu_limit, swiglu_shared_limit, swiglu_clamp, swiglu_alpha, swiglu_offset),
            )
            self.group = group
            self.device = device
            self.rank = group._rank(rank)
            number = ctypes.c_uint64()
            call(
                "swiftep_layer_create",
                group._number,
                self.rank,
                ctypes.byref(configuration),
                ctypes.byref(places),
                ctypes.byref(number),
            )
        self._core = Core("layer", number.value, _free, group._core)
        self._streams = DefaultStream(device, group.local_ranks > 1)
        self.hidden: int = hidden
        self.intermediate: int = intermediate
        self.shared_intermediate: int = shared_intermediate
        self.shared_gate = bool(gated)
        self.experts: int = found
        self.local_experts: int = local
        self.top_k = top_k
        self.max_tokens = max_tokens
        if group.local_ranks == 1 if connect is None else connect:
            self.connect()

    def connect(self, seconds: float = SECONDS) -> None:
        """Waits until the memory of all ranks is known, `seconds` at most. Raises ``TransportError``."""
        call("swiftep_layer_connect", self._number, _check.number(seconds, "seconds"))

    def enqueue(
        self,
        x: Array,
        topk_idx: Array,
        topk_weights: Array,
        overlap: str = "single_batch",
        out: Array | None = None,
        *,
        shared_weights: Array | None = None,
        stream: Any = None,
    ) -> Array:
        """[enqueues] A whole step: dispatch, experts, combine, with the sum of the shared expert. All overlaps give the
        same bits.

        Args:
            x: BF16 `[tokens, hidden]`, at a multiple of 16, up to `max_tokens` tokens.
            topk_idx: Int64 `[tokens, top_k]`; any number that is no expert selects nothing, and no token may name an
                expert twice.
            topk_weights: Float32 `[tokens, top_k]`.
            overlap: "none", "single_batch", "two_batch" or "direct".
            out: BF16 `[tokens, hidden]`, at a multiple of 16; None for a new array of the kind of `x`.
            shared_weights: Float32 `[tokens]`, by which the shared expert's output is multiplied: in Qwen's models
                `sigmoid(x @ w_gate)`. Needed with `shared_gate`, refused without.
            stream: A ``Stream``, a ``torch.cuda.Stream`` or its number; None for PyTorch's current stream. Where the
                process has several ranks, which wait for each other, and on the simulator, None is a stream of the
                layer's own, which is not ordered with any other.

        Returns out, which is written when the stream has got here; on the simulator, when the group has been
        synchronised. Raises ``InvalidArgument``; ``OutOfOrder`` and ``WaitTimedOut`` if the layer has failed before."""
        with self.device._lock:
            function, arguments, out = self._prepare(x, topk_idx, topk_weights, overlap, out, shared_weights, stream)
            call(function, *arguments)
        return out

    def _prepare(
        self,
        x: Array,
        topk_idx: Array,
        topk_weights: Array,
        overlap: str,
        out: Array | None,
        shared_weights: Array | None,
        stream: Any = None,
    ) -> tuple[str, tuple[int, ...], Array]:
        """The function of a step and its arguments, checked, and the array of its result."""
        number, device = self._number, self.device
        mode = _check.choice(overlap, "overlap", OVERLAPS)
        states = operand(x, "x", BFLOAT16, ("tokens", self.hidden), device)
        tokens = states.shape[0]
        if tokens > self.max_tokens:
            raise InvalidArgument(
                f"x has {tokens:,} tokens, and the layer has room for {self.max_tokens:,}; make it with a larger "
                f"max_tokens"
            )
        choices = operand(topk_idx, "topk_idx", INT64, (tokens, self.top_k), device, align=8)
        factors = operand(topk_weights, "topk_weights", FLOAT32, (tokens, self.top_k), device, align=4)
        function, shared = self._shared_weights(shared_weights, tokens)
        out, sums = output(x, out, "out", BFLOAT16, (tokens, self.hidden), device)
        queue = self._streams.number(stream)
        places = (states.address, choices.address, factors.address, *shared, tokens, sums.address)
        return function, (number, queue, mode, *places), out

    def _shared_weights(self, shared_weights: Array | None, tokens: int) -> tuple[str, tuple[int, ...]]:
        """The function of a step, and the address of its shared weights, if it takes them."""
        if not self.shared_gate:
            if shared_weights is not None:
                raise InvalidArgument(
                    "shared_weights are given, and the layer's shared expert has no gate; make the layer with "
                    "shared_gate=True, or leave them out"
                )
            return "swiftep_layer_step", ()
        if shared_weights is None:
            raise InvalidArgument(
                f"shared_weights are None, and the layer's shared expert has a gate; give float32 [{tokens}], a weight "
                f"for each token"
            )
        given = operand(shared_weights, "shared_weights", FLOAT32, (tokens,), self.device, align=4)
        return "swiftep_layer_step_gated", (given.address,)

    def __call__(
        self,
        x: Array,
        topk_idx: Array,
        topk_weights: Array,
        overlap: str = "single_batch",
        out: Array | None = None,
        *,
        shared_weights: Array | None = None,
        stream: Any = None,
    ) -> Array:
        """As ``enqueue``, and on the simulator runs the step. Raises ``OutOfOrder`` where the other ranks of this
        process must be enqueued first, on the simulator; ``LocalLayers.step`` does that."""
        if self.device.is_simulator and self.group.local_ranks > 1:
            self._core.require_open()
            raise OutOfOrder(
                f"this process has {self.group.local_ranks} ranks, and the simulator runs only when all have enqueued "
                f"their step; use LocalLayers.step, or enqueue on each layer and then Group.synchronize"
            )
        out = self.enqueue(x, topk_idx, topk_weights, overlap, out, shared_weights=shared_weights, stream=stream)
        if self.device.is_simulator:
            self.group.synchronize()
        return out

    def __repr__(self) -> str:
        shared = f", shared {self.shared_intermediate}" if self.shared_intermediate else ""
        shared += " with a gate" if self.shared_gate else ""
        return self._describe(
            f"of rank {self.rank}: {self.experts} experts, top {self.top_k}, hidden {self.hidden}, intermediate "
            f"{self.intermediate}{shared}, {self.max_tokens} tokens"
        )


class LocalLayers(Sequence[MoELayer]):
    """The layers of all ranks of this process, connected, by rank.

    weights: For each rank of this process. options: The other arguments of ``MoELayer``."""

    def __init__(
        self,
        group: Group,
        weights: Sequence[LayerWeights],
        shared: SharedExpert | Sequence[Array] | None = None,
        **options: Any,
    ) -> None:
        _check.instance(group, "group", Group, "a swiftep.Group")
        _check_count(weights, "weights", group.local_ranks)
        self.group = group
        self._layers: list[MoELayer] = []
        for rank, given in zip(group._local(), weights):
            parts = LayerWeights(*_parts(given, "weights", 4))
            self._layers.append(MoELayer(group, rank, shared=shared, connect=False, **parts._asdict(), **options))
        for layer in self._layers:
            layer.connect()

    def step(
        self,
        x: Sequence[Array],
        topk_idx: Sequence[Array],
        topk_weights: Sequence[Array],
        overlap: str = "single_batch",
        out: Sequence[Array] | None = None,
        *,
        shared_weights: Sequence[Array] | None = None,
    ) -> list[Array]:
        """Runs a step of all ranks and waits for it. Arguments as in ``MoELayer.enqueue``, one for each rank.

        Tensors must be complete: writes of other streams to them must have been waited for."""
        layers = self._layers
        outs = [None] * len(layers) if out is None else out
        shared = [None] * len(layers) if shared_weights is None else shared_weights
        lists = {
            "x": x,
            "topk_idx": topk_idx,
            "topk_weights": topk_weights,
            "out": outs,
            "shared_weights": shared,
        }
        for name, values in lists.items():
            _check_count(values, name, len(layers))
        with self.group.device._lock:
            # All are checked before the first is enqueued, which would wait for the others.
            prepared = [
                layer._prepare(states, choices, factors, overlap, into, gates)
                for layer, states, choices, factors, into, gates in zip(layers, x, topk_idx, topk_weights, outs, shared)
            ]
            for function, arguments, _ in prepared:
                call(function, *arguments)
        self.group.synchronize()
        return [result for _, _, result in prepared]

    def reset(self, seconds: float = SECONDS) -> None:
        """Resets all layers to their first state after a failure. As ``Group.reset``."""
        self.group.reset(self._layers, seconds)

    def close(self) -> None:
        """Frees all layers."""
        for layer in reversed(self._layers):
            layer.close()

    def __getitem__(self, index: Any) -> Any:
        return self._layers[index]

    def __len__(self) -> int:
        return len(self._layers)

    def __enter__(self) -> LocalLayers:
        return self

    def __exit__(self, *_: Any) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"<swiftep.LocalLayers {self._layers!r}>"


def _swiglu(limit: Any, shared: Any, clamp: Any, alpha: Any, offset: Any) -> dict[str, Any]:
    """The fields of the activation between an expert's GEMMs."""

    def positive(value: Any, name: str) -> float:
        return _check.number(value, name, low=LEAST_NORMAL)

    if isinstance(shared, str) and shared != "same":
        raise InvalidArgument(f"swiglu_shared_limit is {shared!r}; give a number, None or 'same'")
    own = limit if isinstance(shared, str) else shared
    return {
        "swiglu_limit": 0.0 if limit is None else positive(limit, "swiglu_limit"),
        "swiglu_shared_limit": 0.0 if own is None else positive(own, "swiglu_shared_limit"),
        "swiglu_alpha": positive(alpha, "swiglu_alpha"),
        "swiglu_offset": _check.number(offset, "swiglu_offset", low=-sys.float_info.max),
        "swiglu_clamp": _check.choice(clamp, "swiglu_clamp", CLAMPS),
    }


def _scales(value: Array, name: str, shape: tuple[int, ...], device: Any, above: int = 1) -> int:
    """The address of the scales of 128 x 128 blocks of weights of this shape, `above` matrices above each other."""
    *outer, rows, columns = shape
    if rows % STEP or columns % STEP:
        weights = name[: -len("_scales")]
        raise InvalidArgument(f"{weights} has shape {list(shape)}; give weights whose sizes are multiples of {STEP}")
    blocks = above * -(-rows // above // 128), -(-columns // 128)
    return operand(value, name, FLOAT32, (*outer, *blocks), device, align=4).address


def _half(doubled: int, name: str) -> int:
    if doubled == 0 or doubled % (2 * STEP):
        raise InvalidArgument(f"{name} has {doubled} channels, gate above up; give twice a multiple of {STEP}")
    return doubled // 2


def _shared(shared: Any, places: c.LayerWeights, hidden: int, device: Any) -> int:
    """Fills in the places of a shared expert, and returns its intermediate size."""
    gate_up, gate_up_scales, down, down_scales = SharedExpert(*_parts(shared, "shared", 4))
    values = operand(gate_up, "shared.gate_up", FLOAT8, ("2 * shared_intermediate", hidden), device)
    doubled = values.shape[0]
    intermediate = _half(doubled, "shared.gate_up")
    places.shared_gate_up = values.address
    places.shared_gate_up_scales = _scales(
        gate_up_scales, "shared.gate_up_scales", (doubled, hidden), device, 2
    )
    places.shared_down = operand(down, "shared.down", FLOAT8, (hidden, intermediate), device).address
    places.shared_down_scales = _scales(down_scales, "shared.down_scales", (hidden, intermediate), device)
    return intermediate


def _parts(value: Any, name: str, count: int) -> Sequence[Any]:
    if not isinstance(value, (tuple, list)) or len(value) != count:
        raise InvalidArgument(f"{name} are a {type(value).__name__}; give gate_up, gate_up_scales, down, down_scales")
    return value


def _check_count(values: Any, name: str, count: int) -> None:
    if not isinstance(values, (list, tuple)) or len(values) != count:
        given = f"{len(values)}" if isinstance(values, (list, tuple)) else f"a {type(values).__name__}"
        raise InvalidArgument(f"{name} are {given}; give a list of {count}, one for each rank of this process")


def _free(number: int) -> None:
    call("swiftep_layer_free", number)
