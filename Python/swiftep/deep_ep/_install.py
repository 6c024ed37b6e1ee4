"""The opt-in to the name ``deep_ep``."""

from __future__ import annotations

import importlib
import sys

from .._errors import OutOfOrder

_SUBMODULES = ("buffer", "config", "event", "utils", "utils.envs", "utils.event", "utils.math", "utils.testing")


def install() -> None:
    """Makes ``import deep_ep`` and imports of its submodules import this package, in this process.

    Call it before anything imports ``deep_ep``, in every process that does. Raises ``OutOfOrder`` if another
    ``deep_ep`` has been imported."""
    package = sys.modules[__package__]
    other = sys.modules.get("deep_ep")
    if other is not None and other is not package:
        raise OutOfOrder(
            f"deep_ep has been imported from {getattr(other, '__file__', 'elsewhere')}; call install() before that"
        )
    sys.modules["deep_ep"] = package
    for name in _SUBMODULES:
        sys.modules[f"deep_ep.{name}"] = importlib.import_module(f"{__package__}.{name}")
