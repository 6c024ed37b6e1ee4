"""``Buffer``: dispatch and combine of a decode step, with DeepEP's low-latency interface."""

from __future__ import annotations

import ctypes
import os
from typing import Any, Optional

import torch

from .. import _library
from .._structures import Overlap
from . import _refusals
from ._combine import Combine
from ._dispatch import Dispatch
from ._exchange import Shape
from ._format import Format
from ._masks import Masks
from ._members import ranks_on_device
from ._normal_mode import NormalMode
from ._settings import Settings
from .event import EventHandle, EventOverlap


class Buffer(Dispatch, Combine, Masks, NormalMode):
    """Communication memory of a rank.

    Memory for dispatches of one shape and format is made when the first of them is called, by all ranks together;
    ``prepare`` makes it ahead. Tensors that a dispatch returns lie in that memory, which the next dispatch but one of
    that shape and format overwrites and ``destroy`` frees.

    Steps that fail on the device surface as exceptions of later calls, or of ``check``, which waits. Memory is not
    freed with the object, as other ranks may still write to it: ``destroy`` frees it."""

    def __init__(
        self,
        group: Any,
        num_nvl_bytes: int = 0,
        num_rdma_bytes: int = 0,
        low_latency_mode: bool = False,
        num_qps_per_rank: int = 24,
        allow_nvlink_for_low_latency_mode: bool = True,
        allow_mnnvl: bool = False,
        explicitly_destroy: bool = False,
        enable_shrink: Any = False,
        comm: Any = None,
        *,
        is_intranode: Optional[bool] = None,
        use_fabric: bool = False,
        source_info: Optional[torch.dtype] = None,
        block_m: int = 64,
        timeout: Optional[float] = None,
        link: Optional[tuple[float, float]] = None,
    ) -> None:
        """Joins the ranks of ``group``. Collective.

        group: a ``torch.distributed`` group of any backend, one rank for each process, all on one machine; or None,
            with ``comm``, an ``mpi4py`` communicator.
        num_nvl_bytes, num_rdma_bytes, num_qps_per_rank, allow_nvlink_for_low_latency_mode, allow_mnnvl, is_intranode,
            use_fabric: DeepEP's; kept, and otherwise unused: memory is made as shapes need it.
        enable_shrink: whether a rank for which a wait times out is masked, and the others go on. Version 1.2.1 of
            DeepEP has ``comm`` in this place, which is understood.
        source_info: type of ``handle[0]``: torch.int64 for source rank and token, torch.int32 for the token alone;
            else ``SWIFTEP_SOURCE_INFO`` (int64 or int32), else torch.int64.
        block_m: rows for each signal of an overlapped combine, 16, 32, 64 or 128.
        timeout: seconds after which a wait for another rank or for a signal is given up; else ``SWIFTEP_TIMEOUT``,
            else 100.
        link: a modelled link between each two ranks, bytes per second and seconds of latency; else ``SWIFTEP_LINK``
            (``bytes_per_second,latency_seconds``), else none."""
        if not isinstance(enable_shrink, bool):
            enable_shrink, comm = False, enable_shrink
        super().__init__(group, comm, Settings.read(timeout, link, source_info, block_m), enable_shrink)
        self.group = group if group is not None else comm
        self.num_nvl_bytes = num_nvl_bytes
        self.num_rdma_bytes = num_rdma_bytes
        self.low_latency_mode = low_latency_mode
        self.explicitly_destroy = explicitly_destroy
        self.nvshmem_qp_depth = int(os.environ.get("NVSHMEM_QP_DEPTH", "1024"))
        #: Not None while the buffer is open.
        self.runtime: Optional[Buffer] = self
        self._scratch: Optional[torch.Tensor] = None

    @staticmethod
    def get_low_latency_rdma_size_hint(
        num_max_dispatch_tokens_per_rank: int, hidden: int, num_ranks: int, num_experts: int
    ) -> int:
        """Bytes that dispatches of this shape take, in BF16 and with 8 choices for each token."""
        top_k = min(8, num_experts)
        shape = Shape(num_max_dispatch_tokens_per_rank, num_experts, hidden, top_k, Format(False, False, False))
        shape.check(num_ranks)
        configuration, size = shape.configuration(Settings.read(), False), ctypes.c_uint64()
        _library.call("swiftep_buffer_bytes", ctypes.byref(configuration), num_ranks, ctypes.byref(size))
        return size.value

    def prepare(
        self,
        num_max_dispatch_tokens_per_rank: int,
        hidden: int,
        num_experts: int,
        num_topk: int,
        use_fp8: bool = True,
        round_scale: bool = False,
        use_ue8m0: bool = False,
        zero_copy: bool = False,
    ) -> None:
        """Makes the memory for a shape and format ahead, and runs steps without tokens, so that CUDA graphs may be
        captured from here on. Collective.

        zero_copy: make the memory of ``get_next_low_latency_combine_buffer`` as well."""
        if self._closed:
            raise _refusals.closed()
        key = (num_max_dispatch_tokens_per_rank, num_experts, hidden, num_topk, use_fp8, round_scale, use_ue8m0)
        exchange = self._exchanges.get(key) or self._open(key)
        signals = torch.zeros(exchange.blocks, dtype=torch.int32, device=self._torch_device)
        with self._lock:
            overlap = Overlap(block_m=exchange.block_m, signals=self._address(signals), threshold=1, multiprocessors=1)
            exchange.run_empty_step(None)
            # The send needs a multiprocessor beside the producer's.
            if self._device.multiprocessors // self.ranks_on_device > 1:
                exchange.run_empty_step(overlap)
            self._device.synchronize()
        if zero_copy:
            for index, place in enumerate(exchange.places):
                exchange.expert_output(place, index)

    def clean_low_latency_buffer(self, num_max_dispatch_tokens_per_rank: int, hidden: int, num_experts: int) -> None:
        """Waits on the current stream until all ranks have come here. There is nothing to clean: no other mode writes
        to this memory. Earlier handles are invalid afterwards. Collective."""
        if self._closed:
            raise _refusals.closed()
        for exchange in self._exchanges.values():
            _library.call("swiftep_buffer_barrier", exchange.number, self._current_stream())
            for place in exchange.places:
                place.turn = -1
        self._device.settle()

    def check(self) -> None:
        """Waits for all work of the device, and raises the error of an earlier call, GEMMs included."""
        if self._closed:
            raise _refusals.closed()
        for exchange in self._exchanges.values():
            _library.call("swiftep_buffer_check", exchange.number)
        _library.call("swiftep_device_synchronize", self._device.number)

    def reset(self) -> None:
        """Resets the buffer to its first state after a failure. Collective."""
        if self._closed:
            raise _refusals.closed()
        for exchange in self._exchanges.values():
            _library.call("swiftep_buffer_reset", exchange.number, self._settings.timeout)
            exchange.resets += 1
            for place in exchange.places:
                place.turn = -1

    def destroy(self) -> None:
        """Frees the memory, the tensors over it included, and leaves the group. Collective."""
        if self._closed:
            return
        self._closed = True
        self.runtime = None
        try:
            # No rank frees memory that another one still writes to.
            self._device.synchronize()
            _library.call("swiftep_group_barrier", self._group, self._settings.timeout)
        finally:
            for exchange in self._exchanges.values():
                exchange.free()
            self._exchanges.clear()
            self._places.clear()
            _library.call("swiftep_group_close", self._group, self._settings.timeout)

    def is_available(self) -> bool:
        """Whether the buffer is open, as ``runtime.is_available()``."""
        return not self._closed

    def get_local_device_id(self) -> int:
        """The number of the GPU, -1 for the simulator, as ``runtime.get_local_device_id()``."""
        return self._index

    @property
    def ranks_on_device(self) -> int:
        """The number of ranks of the group that share this device."""
        return ranks_on_device(self._group)

    @staticmethod
    def is_sm90_compiled() -> bool:
        """True: kernels are for Hopper."""
        return True

    @staticmethod
    def capture() -> EventOverlap:
        """An event of the current stream as it is now."""
        return EventOverlap(EventHandle())

    def get_comm_stream(self) -> Any:
        """The ``torch.cuda.Stream`` of calls without a hook; None on the simulator."""
        return self._comm.stream

    def get_local_buffer_tensor(
        self,
        dtype: torch.dtype,
        size: Optional[torch.Size] = None,
        offset: int = 0,
        use_rdma_buffer: bool = False,
    ) -> torch.Tensor:
        """Memory of the caller's own, ``size`` elements of it after ``offset`` ones, none if ``size`` is None. The
        library's memory is not handed out: writing to it would break the protocol between ranks."""
        count = 0 if size is None else size.numel()
        needed = (offset + count) * dtype.itemsize
        if self._scratch is None or self._scratch.numel() < needed:
            self._scratch = torch.zeros(needed, dtype=torch.uint8, device=self._torch_device)
        whole = self._scratch[offset * dtype.itemsize : needed].view(dtype)
        return whole if size is None else whole.view(size)
