"""Experts as engines run them: `swiftep.deep_ep`'s dispatch and combine around two masked GEMMs of `swiftep.deep_gemm`,
with PyTorch between the GEMMs. It stands beside a whole layer in `transformers_model.py`."""

import contextlib

import torch

#: Names of the two implementations.
PLAIN, OVERLAPPED = "swiftep_test_engine", "swiftep_test_engine_overlapped"
COMMUNICATION = 3


def register(process_group, max_tokens, on_gpu):
    """Registers both with transformers, for FP8 experts, on one buffer. Returns the buffer, to be destroyed."""
    from swiftep import deep_ep, deep_gemm
    from transformers.integrations.finegrained_fp8 import FP8ExpertsInterface

    buffer = deep_ep.Buffer(process_group, low_latency_mode=True, explicitly_destroy=True)
    beside = torch.cuda.Stream() if on_gpu else None

    def make(overlapped):
        def forward(self, *given):
            return in_parts(self, buffer, max_tokens, given, overlapped, beside, deep_gemm)

        return forward

    FP8ExpertsInterface.register(PLAIN, make(False))
    FP8ExpertsInterface.register(OVERLAPPED, make(True))
    return buffer


def in_parts(module, buffer, max_tokens, given, overlapped, beside, deep_gemm):
    """All tokens, `max_tokens` at a time; `given` are hidden states, chosen experts and their weights."""
    output = torch.empty_like(given[0])
    for first in range(0, len(output), max_tokens):
        part = [tensor[first : first + max_tokens].contiguous() for tensor in given]
        step(module, buffer, max_tokens, *part, output[first : first + max_tokens], overlapped, beside, deep_gemm)
    return output


def step(module, buffer, max_tokens, x, ids, weights, output, overlapped, beside, deep_gemm):
    """One step in the order of Single Batch Overlap on Hopper, or plainly, which any `deep_gemm` can."""
    experts = len(module.gate_up_proj)
    weights = weights.float().contiguous()
    (rows, scales), counts, handle, _, hook = buffer.low_latency_dispatch(
        x, ids, max_tokens, experts, use_fp8=True, return_recv_hook=True
    )
    hook()
    room, expected = rows.shape[1], (ids.numel() + experts) // experts
    gate_up = rows.new_empty((experts, room, module.gate_up_proj.shape[1]), dtype=torch.bfloat16)
    deep_gemm.fp8_m_grouped_gemm_nt_masked(
        (rows, scales), (module.gate_up_proj, module.gate_up_proj_scale_inv), gate_up, counts, expected
    )
    activations = silu_and_mul_quantised(gate_up)
    down = rows.new_empty((experts, room, rows.shape[2]), dtype=torch.bfloat16)
    signals = torch.zeros(experts * ((room + 63) // 64), dtype=torch.int32, device=x.device) if overlapped else None
    began = None
    if overlapped and beside is not None:
        began = torch.cuda.Event()
        began.record()
    operands = activations, (module.down_proj, module.down_proj_scale_inv), down, counts, expected
    extra = {}
    if not overlapped:
        deep_gemm.fp8_m_grouped_gemm_nt_masked(*operands)
    else:
        everything = deep_gemm.get_num_sms()
        deep_gemm.set_num_sms(everything - COMMUNICATION)
        found = deep_gemm.fp8_m_grouped_gemm_nt_masked(*operands, enable_overlap=True, signal=signals)
        deep_gemm.set_num_sms(everything)
        extra = dict(
            overlap=True, packed_recv_count=counts, comp_signal=signals, block_m=found[0], threshold=found[1],
            num_sms=COMMUNICATION,
        )  # fmt: skip
    stream = contextlib.nullcontext()
    if began is not None:
        beside.wait_event(began)
        stream = torch.cuda.stream(beside)
    with stream:
        _, _, hook = buffer.low_latency_combine(
            down, ids, weights, handle, return_recv_hook=True, out=output, **extra
        )  # fmt: skip
    if began is not None:
        beside.wait_stream(torch.cuda.current_stream())
    hook()
    if began is not None:
        torch.cuda.current_stream().wait_stream(beside)


def silu_and_mul_quantised(gate_up):
    """FP8 values `[experts, rows, n / 2]` and scales as the next GEMM reads them, of all rows, there or not."""
    gate, up = gate_up.float().chunk(2, dim=-1)
    groups = (torch.nn.functional.silu(gate) * up).unflatten(-1, (-1, 128))
    amax = groups.abs().amax(dim=-1).clamp(min=1e-4)
    values = (groups * (448 / amax)[..., None]).clamp(-448, 448).flatten(-2).to(torch.float8_e4m3fn)
    return values, (amax / 448).transpose(1, 2).contiguous().transpose(1, 2)
