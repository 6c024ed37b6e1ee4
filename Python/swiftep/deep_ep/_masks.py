"""Masks: ranks that a buffer with ``enable_shrink=True`` goes on without."""

from __future__ import annotations

import torch

from .. import _library
from .._torch.errors import invalid
from . import _refusals
from ._core import Core


class Masks(Core):
    """Methods of ``Buffer`` for masks. Each exchange has masks of its own; these treat them as one."""

    def low_latency_update_mask_buffer(self, rank_to_mask: int, mask: bool = False) -> None:
        """Masks a rank, or unmasks it while all ranks are between two steps. Waits for the device."""
        self._need_masks()
        if not 0 <= rank_to_mask < self._members.count:
            raise invalid("rank_to_mask", rank_to_mask, f"0 to {self._members.count - 1}")
        if rank_to_mask == self.rank:
            raise invalid("rank_to_mask", rank_to_mask, f"a rank other than this one, {self.rank}")
        self._device.synchronize()
        for exchange in self._exchanges.values():
            _library.call("swiftep_buffer_mask", exchange.number, rank_to_mask, int(mask))
        (self._masked.add if mask else self._masked.discard)(rank_to_mask)

    def low_latency_query_mask_buffer(self, mask_status: torch.Tensor) -> None:
        """Writes int32 ``[num_ranks]`` on the current stream: 1 for each rank that is masked, by hand or because a wait
        for it timed out."""
        self._need_masks()
        device, count = self._device, self._members.count
        wrong = _refusals.tensor("mask_status", mask_status, torch.int32, (count,), device.torch_device)
        if wrong is not None:
            raise wrong
        mask_status.zero_()
        for rank in self._masked:
            mask_status[rank] = 1
        for exchange in self._exchanges.values():
            status = torch.empty_like(mask_status)
            with device.lock:
                _library.call("swiftep_buffer_masks", exchange.number, device.current_stream(), device.address(status))
                device.settle()
            torch.maximum(mask_status, status, out=mask_status)

    def low_latency_clean_mask_buffer(self) -> None:
        """Unmasks all ranks, while all are between two steps. Waits for the device."""
        self._need_masks()
        for rank in range(self._members.count):
            if rank != self.rank:
                self.low_latency_update_mask_buffer(rank, False)

    def _need_masks(self) -> None:
        if not self.enable_shrink:
            raise invalid("enable_shrink", False, "True for a buffer whose ranks can be masked", "Pass it when made")
