"""Lifts SGLang's refusal of Single Batch Overlap on SM90, and nothing else.

``initialize_moe_config`` raises a ``ValueError`` half way if the flag is set on SM90, since the GEMM that SGLang ships
has no signals there. The hook then runs it again with the flag off, and sets the flag where that version keeps it.
"""

from __future__ import annotations

import copy
import logging
import sys
from typing import Any, Callable

logger = logging.getLogger(__name__)

TARGET = "sglang.srt.layers.moe.utils.initialize_moe_config"
#: The beginning of the refusal's text.
REFUSAL = "SBO (single batch overlap) is not supported on SM90"


def without_refusal(original: Callable[..., Any], server_args: Any, *arguments: Any, **keywords: Any) -> Any:
    """Runs ``initialize_moe_config`` and lifts its refusal, if that is what it raises."""
    try:
        return original(server_args, *arguments, **keywords)
    except ValueError as wrong:
        if not str(wrong).startswith(REFUSAL):
            raise
        utilities: Any = sys.modules.get(original.__module__)
        flag = _flag(utilities)
        if flag is None or getattr(server_args, "enable_single_batch_overlap", None) is not True:
            logger.warning(
                "swiftep does not know this version of %s; the refusal of Single Batch Overlap stays as it is", TARGET
            )
            raise
        without = copy.copy(server_args)
        object.__setattr__(without, "enable_single_batch_overlap", False)
        result = original(without, *arguments, **keywords)
        holder, name = flag
        setattr(holder, name, True)
        if utilities.is_sbo_enabled() is not True:
            setattr(holder, name, False)
            logger.warning(
                "swiftep set %s and SGLang does not see it; the refusal of Single Batch Overlap stays as it is", name
            )
            raise
        logger.info("Single Batch Overlap runs on SM90 with swiftep's kernels")
        return result


def _flag(utilities: Any) -> tuple[Any, str] | None:
    """The object and the attribute that hold the flag: a global of the module, or a field of its flags."""
    if utilities is None or not callable(getattr(utilities, "is_sbo_enabled", None)):
        return None
    if hasattr(utilities, "IS_SBO_ENABLED"):
        return utilities, "IS_SBO_ENABLED"
    flags = getattr(utilities, "get_flags", None)
    moe = getattr(flags(), "moe", None) if callable(flags) else None
    return (moe, "sbo_enabled") if hasattr(moe, "sbo_enabled") else None
