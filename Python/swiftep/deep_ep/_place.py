"""Tensors over one of the two places that an exchange receives into."""

from __future__ import annotations

from typing import Optional, Union

import torch

from .._structures import Received
from .._torch.devices import Device
from ._format import Format


class Place:
    """One place of an exchange: tensors made once, which every dispatch to the place fills anew."""

    def __init__(
        self,
        device: Device,
        received: Received,
        format: Format,
        local_experts: int,
        ranks: int,
        max_rows: int,
        hidden: int,
        source_info: torch.dtype,
    ) -> None:
        #: The turn of the place's last dispatch, -1 before the first, and the number of tokens it sent.
        self.turn = -1
        self.tokens = 0
        self._device = device
        #: The address of rows, for kernels.
        self.address = received.rows
        slab = (local_experts, max_rows, hidden)
        values = device.view(received.rows, slab, torch.float8_e4m3fn if format.use_fp8 else torch.bfloat16)
        #: BF16 ``[L, M, H]``, or FP8 and its scales ``[L, M, H / 128]`` (words of four exponents: ``H / 512``).
        self.recv_x: Union[torch.Tensor, tuple[torch.Tensor, torch.Tensor]] = values
        self._received = [(values, received.rows)]
        if format.use_fp8:
            scales = self._scales(received, format, local_experts, hidden)
            self.recv_x = (values, scales.transpose(1, 2)[:, :max_rows])
        #: Int32 ``[L]``.
        self.recv_count = self._view(received.received_count, (local_experts,), torch.int32)
        info = self._view(received.source_info, (local_experts, max_rows), torch.int64)
        #: Int64 ``[L, M]`` with the source rank in the high half, or its low words, the tokens, as Int32.
        self.source_info = info if source_info is torch.int64 else info.view(torch.int32)[:, ::2]
        #: Int64 ``[L, R]``: first row in the high half, rows in the low one.
        self.layout_range = self._view(received.layout_range, (local_experts, ranks), torch.int64)
        self.slab = torch.Size(slab)
        #: BF16 ``[L, M, H]`` for rows to be combined, once it has been asked for.
        self.expert_output: Optional[torch.Tensor] = None

    def _view(self, address: int, shape: tuple[int, ...], dtype: torch.dtype) -> torch.Tensor:
        tensor = self._device.view(address, shape, dtype)
        self._received.append((tensor, address))
        return tensor

    def _scales(self, received: Received, format: Format, local_experts: int, hidden: int) -> torch.Tensor:
        groups, dtype = (hidden // 512, torch.int32) if format.use_ue8m0 else (hidden // 128, torch.float32)
        return self._view(received.row_scales, (local_experts, groups, received.scale_rows), dtype)

    def refresh(self) -> None:
        """On the simulator, copies the received rows into the tensors."""
        for tensor, address in self._received:
            self._device.refresh(tensor, address)
