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
    """FP8 values and Float32 scales of 128 channels, as the dispatch makes them: `[..., hidden]`, `[..., hidden / 128]`."""
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
        self, x, topk_idx, num_max_dispatch_tokens_per_rank, num_experts, use_fp8=True, round_scale=False, use_ue8m0=False,
        async_finish=False, return_recv_hook=False,
    ):
        assert topk_idx.dtype == torch.int64 and x.dtype == torch.bfloat16
        self.calls.append(("dispatch", return_recv_hook))
        room, hidden = num_max_dispatch_tokens_per_rank, x.shape[1]
        rows = torch.full((num_experts, room, hidden), float("nan"), dtype=torch.bfloat16)
        counts = torch.full((num_experts,), -1, dtype=torch.int32)
        values = torch.full((num_experts, room, hidden), float("nan")).to(torch.float8_e4m3fn)
        scales = torch.full((num_experts, hidden // 128, room), float("nan")).transpose(1, 2)
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
        self, x, topk_idx, topk_weights, handle, async_finish=False, zero_copy=False, return_recv_hook=False, out=None,
        overlap=False, packed_recv_count=None, comp_signal=None, block_m=64, threshold=0, num_sms=3,
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
