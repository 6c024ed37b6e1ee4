"""What the tests of engines share: stand-ins on `sys.path`, and a buffer that needs no library."""

import contextlib
import importlib
import sys
from pathlib import Path

import torch

STAND_INS = Path(__file__).resolve().parent / "stand_ins"


@contextlib.contextmanager
def stand_in(name):
    """The stand-in package `name`, and then none of its modules."""
    if name in sys.modules:
        raise RuntimeError(f"{name} has been imported from {sys.modules[name].__file__}; these tests need it gone")
    sys.path.insert(0, str(STAND_INS))
    try:
        yield importlib.import_module(name)
    finally:
        sys.path.remove(str(STAND_INS))
        for module in [m for m in sys.modules if m == name or m.startswith(name + ".")]:
            del sys.modules[module]


def quantise_rows(rows):
    """FP8 values `[..., hidden]` and Float32 scales `[..., hidden / 128]`, as the dispatch makes them."""
    groups = rows.float().unflatten(-1, (-1, 128))
    amax = groups.abs().amax(dim=-1).clamp(min=1e-4)
    values = (groups * (448 / amax)[..., None]).clamp(-448, 448).to(torch.float8_e4m3fn)
    return values.flatten(-2), amax * torch.tensor(1 / 448, dtype=torch.float32)


def dequantise_rows(values, scales):
    """Float32 rows of what `quantise_rows` gives; scales of any strides."""
    return (values.float().unflatten(-1, (-1, 128)) * scales[..., None]).flatten(-2)


def dequantise_blocks(values, scales):
    """Float32 weights `[..., n, k]` of FP8 values with scales of 128 x 128 blocks."""
    n, k = values.shape[-2:]
    blocks = values.float().unflatten(-1, (k // 128, 128)).unflatten(-3, (n // 128, 128))
    return (blocks * scales[..., :, None, :, None]).flatten(-2).flatten(-3, -2)


class LoopbackBuffer:
    """One rank's dispatch and combine in PyTorch, with DeepEP's signatures. It records its calls, and it gives results
    only once a hook has run: what has not been received is NaN."""

    group_size, low_latency_mode = 1, True

    def __init__(self, group=None, **options):
        self.group, self.options, self.calls = group, options, []

    @staticmethod
    def get_low_latency_rdma_size_hint(num_max_dispatch_tokens_per_rank, hidden, num_ranks, num_experts):
        return num_max_dispatch_tokens_per_rank * hidden * num_ranks * num_experts

    def low_latency_dispatch(
        self,
        x,
        topk_idx,
        num_max_dispatch_tokens_per_rank,
        num_experts,
        use_fp8=True,
        round_scale=False,
        use_ue8m0=False,
        async_finish=False,
        return_recv_hook=False,
    ):
        assert topk_idx.dtype == torch.int64 and x.dtype == torch.bfloat16
        self.calls.append(("dispatch", return_recv_hook))
        room, hidden = num_max_dispatch_tokens_per_rank, x.shape[1]
        rows = torch.full((num_experts, room, hidden), float("nan"), dtype=torch.bfloat16)
        counts = torch.full((num_experts,), -1, dtype=torch.int32)
        values = torch.full((num_experts, room, hidden), float("nan")).to(torch.float8_e4m3fn)
        # As kernels leave them: a row's scales lie apart, and there is room for whole blocks of rows.
        scale_rows = (room + 127) // 128 * 128
        scales = torch.full((num_experts, hidden // 128, scale_rows), float("nan")).transpose(1, 2)[:, :room]
        source = torch.zeros(num_experts, room, dtype=torch.int64)

        def receive():
            self.calls.append(("dispatch hook",))
            for expert in range(num_experts):
                tokens = (topk_idx == expert).any(dim=1).nonzero().flatten()
                counts[expert] = len(tokens)
                source[expert, : len(tokens)] = tokens
                rows[expert, : len(tokens)] = x[tokens]
                values[expert, : len(tokens)], scales[expert, : len(tokens)] = quantise_rows(x[tokens])

        if not return_recv_hook:
            receive()
        handle = (source, counts, room, hidden, num_experts)
        return ((values, scales) if use_fp8 else rows), counts, handle, None, receive if return_recv_hook else None

    def low_latency_combine(
        self,
        x,
        topk_idx,
        topk_weights,
        handle,
        async_finish=False,
        zero_copy=False,
        return_recv_hook=False,
        out=None,
        overlap=False,
        packed_recv_count=None,
        comp_signal=None,
        block_m=64,
        threshold=0,
        num_sms=3,
    ):
        source, counts, room, hidden, experts = handle
        self.calls.append(("combine", return_recv_hook, overlap))
        out = torch.full_like(x[0, : len(topk_idx)], float("nan")) if out is None else out
        if overlap:
            assert return_recv_hook and packed_recv_count is counts
            assert comp_signal.dtype == torch.int32 and comp_signal.numel() == experts * ((room + 63) // 64)
            blocks = comp_signal.view(-1)[: experts * ((room + block_m - 1) // block_m)].view(experts, -1)
            for expert in range(experts):
                used = (int(counts[expert]) + block_m - 1) // block_m
                assert (blocks[expert, :used] == threshold).all(), "the combine would wait for ever"

        def receive():
            self.calls.append(("combine hook",))
            total = torch.zeros(out.shape, dtype=torch.float32)
            for k in range(topk_idx.shape[1]):
                for token in range(len(topk_idx)):
                    expert = int(topk_idx[token, k])
                    if 0 <= expert < experts:
                        row = int((source[expert, : counts[expert]] == token).nonzero())
                        total[token] += topk_weights[token, k] * x[expert, row].float()
            out.copy_(total.to(out.dtype))

        if not return_recv_hook:
            receive()
        return out, None, receive if return_recv_hook else None

    def low_latency_query_mask_buffer(self, status):
        status.zero_()

    def low_latency_clean_mask_buffer(self):
        self.calls.append(("clean mask",))

    def destroy(self):
        self.calls.append(("destroy",))


class TorchWeights:
    """What `swiftep.PackedWeights` takes, for `TorchGEMM`."""

    def __init__(self, device, values, scales, *, gated=False, in_place=False):
        self.values, self.scales, self.gated, self.in_place = values, scales, gated, in_place
        self.experts, self.n, self.k = values.shape


class TorchGEMM:
    """`swiftep.GroupedGEMM` in PyTorch: the same arguments and the same checks of shapes. Sums are Float32; rows that
    are not there become NaN."""

    made = []

    def __init__(
        self, weights, *, max_rows, block_m=64, output="store", signals=False, scales="float32", scale_rows=None
    ):
        assert block_m in (16, 32, 64, 128) and output in ("store", "swiglu") and not (signals and output == "swiglu")
        assert weights.gated == (output == "swiglu")
        self.weights, self.max_rows, self.block_m = weights, max_rows, block_m
        self.output, self.signals = output, signals
        self.threshold = weights.n // 128
        self.scale_rows = scale_rows or (max_rows + 127) // 128 * 128
        assert self.scale_rows % 4 == 0 and self.scale_rows >= (max_rows + block_m - 1) // block_m * block_m
        self.multiprocessors = []
        self.made.append(self)

    def __call__(
        self, rows, row_scales, counts, out=None, out_scales=None, *, signals=None, multiprocessors=0, stream=None
    ):
        w = self.weights
        scale_rows = self.scale_rows
        assert rows.shape == (w.experts, self.max_rows, w.k) and rows.is_contiguous()
        assert row_scales.shape == (w.experts, w.k // 128, scale_rows) and row_scales.is_contiguous()
        assert counts.shape == (w.experts,) and counts.dtype == torch.int32 and (signals is not None) == self.signals
        self.multiprocessors.append(multiprocessors)
        blocks = (self.max_rows + self.block_m - 1) // self.block_m
        weights = dequantise_blocks(w.values, w.scales)
        n = w.n // 2 if self.output == "swiglu" else w.n
        sums = torch.full((w.experts, self.max_rows, n), float("nan"))
        for expert, count in enumerate(counts.tolist()):
            scaled = row_scales[expert, :, :count].transpose(0, 1)
            made = dequantise_rows(rows[expert, :count], scaled) @ weights[expert].T
            if self.output == "swiglu":
                gate, up = made.bfloat16().float().chunk(2, dim=-1)
                made = torch.nn.functional.silu(gate) * up
            sums[expert, :count] = made
            if signals is not None:
                assert signals.shape == (w.experts, blocks)
                signals[expert, : (count + self.block_m - 1) // self.block_m] += self.threshold
        if self.output == "store":
            return sums.bfloat16()
        values, scales = quantise_rows(sums)
        room = torch.full((w.experts, n // 128, scale_rows), float("nan"))
        room[:, :, : self.max_rows] = scales.transpose(1, 2)
        return values, room


class TorchDeepGEMM:
    """The masked GEMM of `deep_gemm` with signals, in PyTorch."""

    def __init__(self, multiprocessors=132):
        self.multiprocessors, self.calls = multiprocessors, []

    def get_num_sms(self):
        return self.multiprocessors

    def set_num_sms(self, count):
        self.multiprocessors = count

    def fp8_m_grouped_gemm_nt_masked(
        self,
        a,
        b,
        d,
        masked_m,
        expected_m,
        recipe=None,
        compiled_dims="nk",
        disable_ue8m0_cast=False,
        max_block_n=256,
        enable_overlap=False,
        signal=None,
    ):
        self.calls.append((enable_overlap, self.multiprocessors))
        m = a[0].shape[1]
        gemm = TorchGEMM(TorchWeights(None, *b), max_rows=m, signals=enable_overlap)
        scales = torch.zeros(a[1].shape[0], a[1].shape[2], gemm.scale_rows)
        scales[:, :, :m] = a[1].transpose(1, 2)
        signals = signal.view(-1, (m + 63) // 64) if enable_overlap else None
        d.copy_(gemm(a[0], scales, masked_m, signals=signals))
        return (64, gemm.threshold) if enable_overlap else (None, None)


def random_weights(experts, n, k, generator):
    """FP8 weights `[experts, n, k]` and Float32 scales of 128 x 128 blocks."""
    values = torch.randn(experts, n, k, generator=generator).mul(80).clamp(-448, 448).to(torch.float8_e4m3fn)
    scales = (torch.rand(experts, n // 128, k // 128, generator=generator) + 0.5) / (80 * k**0.5)
    return values, scales


def layer_reference(x, ids, weights, gate_up, down, quantised=True):
    """The routed experts of a layer, BF16 `[tokens, hidden]`. `gate_up`, `down`: Float32 weights. With `quantised`,
    rows and activations are FP8 where the kernels make them so, and sums BF16 where they are; without, Float32."""

    def as_sent(rows):
        return dequantise_rows(*quantise_rows(rows)) if quantised else rows

    rows = as_sent(x).float()
    total = torch.zeros(x.shape, dtype=torch.float32, device=x.device)
    for k in range(ids.shape[1]):
        for expert in range(gate_up.shape[0]):
            tokens = (ids[:, k] == expert).nonzero().flatten()
            if len(tokens) == 0:
                continue
            sums = rows[tokens] @ gate_up[expert].T
            gate, up = (sums.bfloat16().float() if quantised else sums).chunk(2, dim=-1)
            made = as_sent(torch.nn.functional.silu(gate) * up) @ down[expert].T
            made = made.bfloat16().float() if quantised else made
            total[tokens] += weights[tokens, k, None] * made
    return total.bfloat16() if quantised else total


def relative_error(found, wanted):
    """The length of the difference over the length of what is wanted."""
    difference = (found.double() - wanted.double()).norm()
    return float(difference / wanted.double().norm())


class TorchLayer:
    """`swiftep.MoELayer` of one rank in PyTorch: the same arguments. It records tokens and overlap of each step."""

    made = []

    def __init__(
        self,
        group,
        *,
        gate_up,
        gate_up_scales,
        down,
        down_scales,
        top_k,
        max_tokens,
        scales="float32",
        two_batch=False,
        wait_seconds=0.0,
    ):
        self.group, self.top_k, self.max_tokens, self.scales, self.two_batch = (
            group,
            top_k,
            max_tokens,
            scales,
            two_batch,
        )
        self.gate_up, self.down = dequantise_blocks(gate_up, gate_up_scales), dequantise_blocks(down, down_scales)
        self.values = gate_up
        self.steps, self.closed = [], False
        self.made.append(self)

    def __call__(self, x, topk_idx, topk_weights, overlap="single_batch", out=None):
        assert not self.closed and len(x) <= self.max_tokens and topk_idx.shape == (len(x), self.top_k)
        assert (x.dtype, topk_idx.dtype, topk_weights.dtype) == (torch.bfloat16, torch.int64, torch.float32)
        assert x.is_contiguous() and topk_idx.is_contiguous() and topk_weights.is_contiguous()
        self.steps.append((len(x), overlap))
        made = layer_reference(x, topk_idx, topk_weights, self.gate_up, self.down)
        return made if out is None else out.copy_(made)

    def close(self):
        self.closed = True
