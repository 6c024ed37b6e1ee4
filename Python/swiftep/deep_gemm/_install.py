"""The opt-in to the name ``deep_gemm``."""

from __future__ import annotations

import functools
import importlib
import importlib.util
import sys
from types import ModuleType
from typing import Any, Callable

import torch

from . import multiprocessors
from .gemm import m_grouped_fp8_gemm_nt_masked

# The last one takes FP4 weights too, which stay with the original.
_NAMES = ("fp8_m_grouped_gemm_nt_masked", "m_grouped_fp8_gemm_nt_masked", "m_grouped_fp8_fp4_gemm_nt_masked")
_SUBMODULES = ("gemm", "utils", "utils.layout", "utils.math")


def install() -> None:
    """Puts the masked grouped GEMM in the place of ``deep_gemm``'s, in this process.

    If there is a ``deep_gemm``, only that function of it is replaced, under all its names, for FP8 weights with scales
    of 128 x 128 blocks; the number of multiprocessors stays the original's. Else ``import deep_gemm`` imports this
    package. Modules that have imported the function by name before keep the original."""
    package = sys.modules[__package__]
    present = sys.modules.get("deep_gemm")
    if present is package:
        return
    if present is None and importlib.util.find_spec("deep_gemm") is None:
        sys.modules["deep_gemm"] = package
        for name in _SUBMODULES:
            sys.modules[f"deep_gemm.{name}"] = importlib.import_module(f"{__package__}.{name}")
        return
    wrap(importlib.import_module("deep_gemm"))


def wrap(module: ModuleType) -> None:
    """Replaces the function in a module that has it."""
    for name in _NAMES:
        original = getattr(module, name, None)
        if original is not None and not hasattr(original, "swiftep_original"):
            setattr(module, name, _replacement(original))
    if hasattr(module, "get_num_sms"):
        multiprocessors.follow(module.get_num_sms)


def _replacement(original: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(m_grouped_fp8_gemm_nt_masked)
    def replacement(a: Any, b: Any, *arguments: Any, **named: Any) -> Any:
        if _takes(b):
            return m_grouped_fp8_gemm_nt_masked(a, b, *arguments, **named)
        return original(a, b, *arguments, **named)

    replacement.swiftep_original = original  # type: ignore[attr-defined]
    return replacement


def _takes(b: Any) -> bool:
    if not isinstance(b, (tuple, list)):
        return True
    return bool(b[0].dtype == torch.float8_e4m3fn and b[1].dtype == torch.float32)
