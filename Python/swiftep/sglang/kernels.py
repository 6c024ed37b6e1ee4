"""The two grouped GEMMs of one layer's experts."""

from __future__ import annotations

from typing import Any

import torch

from .. import Device, GroupedGEMM, PackedWeights
from .._errors import OutOfOrder
from .._torch.source import Source

#: Rows per signal that buffers expect of a combine beside its producer.
SIGNAL_BLOCK = 64

_devices: dict[torch.device, Device] = {}


class ExpertKernels:
    """Packed weights of a layer, and GEMMs with them for the row counts that occur."""

    def __init__(self, quant_info: Any, in_place: bool) -> None:
        if torch.cuda.is_available() and torch.cuda.is_current_stream_capturing():
            raise OutOfOrder("the first step of a layer packs its weights: run one before CUDA graphs are captured")
        device = _device(quant_info.w13_weight.device)
        self._source = Source(*_weights(quant_info))
        self._in_place = in_place
        scales, down_scales = quant_info.w13_scale.contiguous(), quant_info.w2_scale.contiguous()
        self._gate_up = PackedWeights(device, quant_info.w13_weight, scales, gated=True, in_place=in_place)
        self._down = PackedWeights(device, quant_info.w2_weight, down_scales, in_place=in_place)
        self._gemms: dict[tuple[Any, ...], GroupedGEMM] = {}

    def serve(self, quant_info: Any) -> bool:
        """Whether these are still the weights and scales that were packed. A write through ``tensor.data``, or to a
        tensor of inference mode, is not seen.

        Raises ``OutOfOrder`` if only some of the weights packed in place have been loaded again: the others are packed
        already and cannot be packed once more."""
        same = self._source.matches(*_weights(quant_info))
        # The last one, the scales of the down projection, stays in order.
        if self._in_place and not all(same) and any(same[:3]):
            raise OutOfOrder("weights packed in place have been replaced in part; load all weights and scales again")
        return all(same)

    def run(self, dispatched: Any, overlap: Any, meta: Any) -> torch.Tensor:
        """BF16 rows ``[local experts, max_rows, hidden]``: the experts' outputs for the rows of a low-latency dispatch.

        overlap: SGLang's arguments for the down GEMM beside a combine, or ``None``. Then the event of its start is
        recorded, it raises the signals, and `meta` gets their block and threshold."""
        rows, counts = dispatched.hidden_states, dispatched.masked_m
        max_rows = rows.shape[1]
        block = _block(dispatched.expected_m)
        scales = by_channel(dispatched.hidden_states_scale, max(block, SIGNAL_BLOCK))
        room = (max_rows, scales.shape[2])
        activations, activation_scales = self._gemm("swiglu", room, block)(rows, scales, counts)
        if overlap is None:
            plain: torch.Tensor = self._gemm("store", room, block)(activations, activation_scales, counts)
            return plain
        down = self._gemm("store", room, SIGNAL_BLOCK, signals=True)
        blocks = (max_rows + SIGNAL_BLOCK - 1) // SIGNAL_BLOCK
        overlap.start_event.record()
        output: torch.Tensor = down(
            activations,
            activation_scales,
            counts,
            signals=overlap.signal.view(rows.shape[0], blocks),
            multiprocessors=overlap.num_sms,
        )
        meta["block_m"], meta["threshold"] = SIGNAL_BLOCK, down.threshold
        return output

    def _gemm(self, output: str, room: tuple[int, int], block_m: int, signals: bool = False) -> GroupedGEMM:
        key = (output, room, block_m, signals)
        if key not in self._gemms:
            weights = self._gate_up if output == "swiglu" else self._down
            max_rows, scale_rows = room
            self._gemms[key] = GroupedGEMM(
                weights, max_rows=max_rows, block_m=block_m, output=output, signals=signals, scale_rows=scale_rows
            )
        return self._gemms[key]


def by_channel(scales: torch.Tensor, block: int) -> torch.Tensor:
    """Scales ``[experts, rows, channels / 128]`` as ``[experts, channels / 128, scale_rows]``, with room for whole
    blocks of rows. That is how a dispatch stores them, so that nothing is copied, unless another library made them."""
    experts, rows, groups = scales.shape
    needed = (rows + block - 1) // block * block
    of_expert, of_row, of_group = scales.stride()
    held = scales.untyped_storage().nbytes() // scales.element_size() - scales.storage_offset()
    if (
        of_row == 1
        and of_group >= needed
        and of_group % 4 == 0
        and of_expert == groups * of_group
        and held >= experts * of_expert
    ):
        return scales.as_strided((experts, groups, of_group), (of_expert, of_group, 1))
    copy = scales.new_zeros((experts, groups, needed))
    copy[:, :, :rows] = scales.transpose(1, 2)
    return copy


def _block(expected_rows: int) -> int:
    """Rows of a tile for an expected number of rows per expert."""
    return next((block for block in (16, 32, 64) if expected_rows <= block), 128)


def _device(device: torch.device) -> Device:
    if device not in _devices:
        _devices[device] = Device("simulator" if device.type == "cpu" else f"cuda:{device.index or 0}")
    return _devices[device]


def _weights(quant_info: Any) -> tuple[torch.Tensor, ...]:
    return quant_info.w13_weight, quant_info.w2_weight, quant_info.w13_scale, quant_info.w2_scale
