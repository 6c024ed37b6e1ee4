"""DeepEP's normal mode, which SwiftEP does not have: its methods raise ``Unsupported``."""

from __future__ import annotations

from typing import Any, NoReturn

from .._torch.errors import Unsupported
from .config import Config


def _refuse(method: str) -> NoReturn:
    raise Unsupported(
        f"Buffer.{method} belongs to DeepEP's normal mode, and SwiftEP has the low-latency mode; use "
        f"low_latency_dispatch and low_latency_combine (SGLang: --deepep-mode low_latency, vLLM: --all2all-backend "
        f"deepep_low_latency), or DeepEP itself for prefill"
    )


class NormalMode:
    """Methods of ``Buffer`` that raise ``Unsupported``, and settings that engines read in either mode."""

    #: Multiprocessors of the normal mode. Kept for callers that set it.
    num_sms: int = 20

    @staticmethod
    def set_num_sms(new_num_sms: int) -> None:
        """Notes the multiprocessors of the normal mode; the low-latency mode does not use them."""
        NormalMode.num_sms = new_num_sms

    @staticmethod
    def get_dispatch_config(num_ranks: int) -> Config:
        return Config(NormalMode.num_sms)

    @staticmethod
    def get_combine_config(num_ranks: int) -> Config:
        return Config(NormalMode.num_sms)

    def get_dispatch_layout(self, *_: Any, **__: Any) -> NoReturn:
        _refuse("get_dispatch_layout")

    def dispatch(self, *_: Any, **__: Any) -> NoReturn:
        _refuse("dispatch")

    def combine(self, *_: Any, **__: Any) -> NoReturn:
        _refuse("combine")

    def internode_dispatch(self, *_: Any, **__: Any) -> NoReturn:
        _refuse("internode_dispatch")

    def internode_combine(self, *_: Any, **__: Any) -> NoReturn:
        _refuse("internode_combine")
