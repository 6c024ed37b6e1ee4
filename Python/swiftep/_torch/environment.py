"""Settings that several modules read from the environment."""

from __future__ import annotations

import os

from .errors import invalid

#: Seconds that kernels wait for other ranks unless told otherwise; DeepEP gives up after about as long.
TIMEOUT = 100.0


def number(name: str, text: str) -> float:
    """The number in a variable's text. Raises ``InvalidArgument`` if it is none."""
    try:
        return float(text)
    except ValueError:
        raise invalid(f"the environment's {name}", repr(text), "a number") from None


def timeout() -> float:
    """Seconds after which a wait is given up: ``SWIFTEP_TIMEOUT``, else 100."""
    text = os.environ.get("SWIFTEP_TIMEOUT")
    return TIMEOUT if text is None else number("SWIFTEP_TIMEOUT", text)
