"""The dispatcher on DeepEP's low-latency calls, in two halves each, and what passes between it and the experts."""

import contextlib
from enum import Enum
from typing import NamedTuple

import torch

from sglang.srt.batch_overlap import single_batch_overlap

try:
    from deep_ep import Buffer, Config

    use_deepep = True
except ImportError:
    use_deepep = False


class DeepEPBuffer:
    """The one buffer of the process, made at the first step."""

    _buffer = None

    @classmethod
    def get_deepep_buffer(cls, group, num_rdma_bytes, num_qps_per_rank):
        assert use_deepep, "DeepEP is not installed"
        assert isinstance(Config, type)
        if cls._buffer is None:
            cls._buffer = Buffer(
                group, 0, num_rdma_bytes, low_latency_mode=True, num_qps_per_rank=num_qps_per_rank, allow_mnnvl=True
            )
        return cls._buffer


class DispatchOutputFormat(Enum):
    DEEPEP_NORMAL = "deepep_normal"
    DEEPEP_LL = "deepep_ll"


class DeepEPLLDispatchOutput(NamedTuple):
    hidden_states: torch.Tensor
    hidden_states_scale: torch.Tensor | None
    topk_ids: torch.Tensor
    topk_weights: torch.Tensor
    masked_m: torch.Tensor
    expected_m: int

    @property
    def format(self):
        return DispatchOutputFormat.DEEPEP_LL


class DeepEPLLCombineInput(NamedTuple):
    hidden_states: torch.Tensor
    topk_ids: torch.Tensor
    topk_weights: torch.Tensor


class Dispatcher:
    """`buffer`: made by the test; `max_tokens`, `num_experts`: of the group."""

    def __init__(self, buffer, max_tokens, num_experts):
        self.buffer, self.max_tokens, self.num_experts = buffer, max_tokens, num_experts
        self.overlap_args = self.meta_overlap_args = None

    def dispatch_a(self, hidden_states, topk_weights, topk_ids):
        topk_ids = topk_ids.to(torch.int64)
        selected = hidden_states.shape[0] * self.buffer.group_size * topk_ids.shape[1]
        expected_m = (selected + self.num_experts) // self.num_experts
        rows, self.packed_recv_count, self.handle, event, hook = self.buffer.low_latency_dispatch(
            hidden_states,
            topk_ids,
            self.max_tokens,
            self.num_experts,
            use_fp8=True,
            async_finish=False,
            return_recv_hook=True,
            round_scale=False,
            use_ue8m0=False,
        )
        self.state = rows, topk_ids, topk_weights, expected_m, hook

    def dispatch_b(self):
        rows, topk_ids, topk_weights, expected_m, hook = self.state
        hook()
        return DeepEPLLDispatchOutput(*rows, topk_ids, topk_weights, self.packed_recv_count, expected_m)

    def combine_a(self, combine_input):
        hidden_states, topk_ids, topk_weights = combine_input
        args, extra, stream = self.overlap_args, {}, contextlib.nullcontext()
        if args is not None:
            args.stream.wait_event(args.wait_event)
            stream = single_batch_overlap.use(args.stream)
            extra = dict(
                overlap=args.overlap,
                packed_recv_count=self.packed_recv_count,
                comp_signal=args.signal,
                block_m=self.meta_overlap_args["block_m"],
                threshold=self.meta_overlap_args["threshold"],
                num_sms=args.num_sms,
            )
        with stream:
            self.combined, _, self.hook = self.buffer.low_latency_combine(
                x=hidden_states,
                topk_idx=topk_ids,
                topk_weights=topk_weights,
                handle=self.handle,
                async_finish=False,
                return_recv_hook=True,
                **extra,
            )
        self.packed_recv_count = self.handle = None

    def combine_b(self):
        args = self.overlap_args
        if args is not None:
            args.stream.wait_stream(single_batch_overlap.current())
        self.hook()
        if args is not None:
            single_batch_overlap.current().wait_stream(args.stream)
        return self.combined

    def set_overlap_args(self, combine_overlap_args, meta_overlap_args):
        self.overlap_args, self.meta_overlap_args = combine_overlap_args, meta_overlap_args

    def clear_overlap_args(self):
        self.overlap_args = self.meta_overlap_args = None
