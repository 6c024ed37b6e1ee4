"""Puts ``swiftep.deep_ep`` in the place of SGLang's ``deep_ep``.

The scheduler's process imports SGLang's dispatcher before plug-ins are run: by then it has the names of another
``deep_ep``, or has noted that there is none.
"""

from __future__ import annotations

import logging
import sys
from typing import Any

from .._errors import OutOfOrder

logger = logging.getLogger(__name__)

MODULE = "sglang.srt.layers.moe.token_dispatcher.deepep"


def provide_deep_ep() -> None:
    """Provides swiftep to later imports of ``deep_ep``, and to SGLang's dispatcher if that has been imported already.

    Raises ``OutOfOrder`` if another ``deep_ep`` has been imported elsewhere, or the dispatcher has a buffer."""
    from .. import deep_ep

    dispatcher: Any = sys.modules.get(MODULE)
    other = sys.modules.get("deep_ep")
    if dispatcher is None or other in (None, deep_ep):
        deep_ep.install()
    else:
        logger.warning("only SGLang's dispatcher uses swiftep; deep_ep stays %s", getattr(other, "__file__", other))
    if dispatcher is None:
        return
    if getattr(getattr(dispatcher, "DeepEPBuffer", None), "_buffer", None) is not None:
        raise OutOfOrder("SGLang's dispatcher has made a buffer of another deep_ep; plug-ins must run before that")
    dispatcher.Buffer, dispatcher.Config, dispatcher.use_deepep = deep_ep.Buffer, deep_ep.Config, True
