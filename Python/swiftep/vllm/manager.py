"""Makes the buffer of an expert-parallel group, in place of vLLM's manager for DeepEP's low-latency kernels."""

from __future__ import annotations

from typing import Any

import torch
from vllm.distributed.device_communicators.base_device_communicator import All2AllManagerBase

from .. import deep_ep


class SwiftEPAll2AllManager(All2AllManagerBase):  # type: ignore[misc]
    """One ``swiftep.deep_ep.Buffer`` for each shape that the model's layers ask for."""

    __swiftep__ = True

    def __init__(self, cpu_group: Any, tcp_store_group: Any = None) -> None:
        extra = () if tcp_store_group is None else (tcp_store_group,)
        super().__init__(cpu_group, *extra)
        self.support_fault_tolerance = _fault_tolerance()
        self._buffers: dict[tuple[Any, ...], Any] = {}
        self._mask: Any = None
        self._last_mask: Any = None

    def get_handle(self, kwargs: dict[str, Any]) -> Any:
        """The buffer for these sizes, made on first use; all ranks must ask for it together."""
        key = tuple(sorted(kwargs.items()))
        if key not in self._buffers:
            self._buffers[key] = self._make(**kwargs)
        return self._buffers[key]

    def _make(
        self,
        max_num_tokens_per_dp_rank: int,
        token_hidden_size: int,
        num_ep_ranks: int,
        num_global_experts: int,
        num_local_experts: int,
    ) -> Any:
        size = deep_ep.Buffer.get_low_latency_rdma_size_hint(
            num_max_dispatch_tokens_per_rank=max_num_tokens_per_dp_rank,
            hidden=token_hidden_size,
            num_ranks=num_ep_ranks,
            num_experts=num_global_experts,
        )
        return deep_ep.Buffer(
            group=self.cpu_group,
            num_rdma_bytes=size,
            low_latency_mode=True,
            num_qps_per_rank=num_local_experts,
            explicitly_destroy=True,
            enable_shrink=self.support_fault_tolerance,
        )

    def dispatch_router_logits(self, *_: Any, **__: Any) -> Any:
        raise NotImplementedError("swiftep dispatches tokens with their choices, in prepare")

    def dispatch(self, *_: Any, **__: Any) -> Any:
        raise NotImplementedError("swiftep dispatches in prepare")

    def combine(self, *_: Any, **__: Any) -> Any:
        raise NotImplementedError("swiftep combines in finalize")

    def query_active_mask(self) -> Any:
        """Int32 ``[ranks]`` on the device, 1 for each rank that is masked in any buffer."""
        if self._mask is None:
            self._mask = torch.zeros(self.world_size, dtype=torch.int32, device="cuda")
        status = torch.zeros_like(self._mask)
        self._mask.zero_()
        for buffer in self._buffers.values():
            buffer.low_latency_query_mask_buffer(status)
            self._mask.bitwise_or_(status)
        return self._mask

    def query_fault(self) -> Any:
        """Whether the mask has changed since the last ``clean_buffers``."""
        current = self.query_active_mask()
        if self._last_mask is None:
            self._last_mask = torch.zeros_like(current)
        return (current != self._last_mask).any()

    def clean_buffers(self) -> None:
        """Unmasks all ranks."""
        for buffer in self._buffers.values():
            buffer.low_latency_clean_mask_buffer()
        self._last_mask = None

    def destroy(self) -> None:
        buffers, self._buffers = self._buffers, {}
        for buffer in buffers.values():
            buffer.destroy()


def _fault_tolerance() -> bool:
    """vLLM's flag, where it has one."""
    try:
        from vllm.config import get_current_vllm_config

        return bool(get_current_vllm_config().parallel_config.enable_fault_tolerance)
    except (ImportError, AttributeError):
        return False
