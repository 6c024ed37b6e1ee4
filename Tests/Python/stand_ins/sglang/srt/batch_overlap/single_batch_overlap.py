"""Arguments of Single Batch Overlap, and streams: those of PyTorch on a GPU, on the CPU ones that only write down what
was asked of them, since there is one queue."""

import contextlib
from dataclasses import dataclass
from typing import Any

import torch

LOG = []
#: Whether streams and events are PyTorch's.
ON_GPU = False


class Event:
    def record(self):
        LOG.append("start_event.record")


class Stream:
    def wait_event(self, event):
        LOG.append("alt.wait_event")

    def wait_stream(self, other):
        LOG.append("wait_stream")


_current = Stream()


def current():
    return torch.cuda.current_stream() if ON_GPU else _current


def use(stream):
    return torch.cuda.stream(stream) if ON_GPU else contextlib.nullcontext()


def new_stream():
    return torch.cuda.Stream() if ON_GPU else Stream()


def new_event():
    return torch.cuda.Event() if ON_GPU else Event()


@dataclass
class CombineOverlapArgs:
    overlap: bool
    stream: Any
    wait_event: Any
    num_sms: int | None = None
    signal: torch.Tensor | None = None
    block_m: int | None = 64
    threshold: int | None = 0


@dataclass
class DownGemmOverlapArgs:
    num_sms: int
    signal: torch.Tensor
    start_event: Any


def compute_overlap_args(dispatch_output, alt_stream, multiprocessors, communication=3):
    experts, rows, _ = dispatch_output.hidden_states.shape
    signal = torch.zeros(experts * ((rows + 63) // 64), dtype=torch.int32, device=dispatch_output.hidden_states.device)
    event = new_event()
    combine = CombineOverlapArgs(
        overlap=True,
        stream=alt_stream,
        wait_event=event,
        num_sms=communication,
        signal=signal,
        threshold=multiprocessors - communication,
    )
    down = DownGemmOverlapArgs(num_sms=multiprocessors - communication, signal=signal, start_event=event)
    return combine, down, dict(compute_num_sms=multiprocessors - communication)
