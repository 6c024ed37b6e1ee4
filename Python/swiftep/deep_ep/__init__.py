"""DeepEP's low-latency interface on SwiftEP's kernels: ``import swiftep.deep_ep as deep_ep``.

``install()`` makes ``import deep_ep`` import this module, for engines that use that name.
"""

from __future__ import annotations

from ._install import install
from ._settings import topk_idx_t
from .buffer import Buffer
from .config import Config
from .event import EventHandle, EventOverlap

#: DeepEP's version whose ``Buffer`` this follows; engines compare it.
__version__ = "1.2.1"

__all__ = ["Buffer", "Config", "EventHandle", "EventOverlap", "install", "topk_idx_t", "__version__"]
