"""Checks of plain arguments, with errors that name the argument, the given value, and valid ones."""

from __future__ import annotations

import math
import operator
from typing import Any, Mapping

from ._errors import InvalidArgument


def integer(value: Any, name: str, low: int = 0, high: int = 2**32 - 1) -> int:
    """`value` as an int from `low` to `high`. Raises ``InvalidArgument``."""
    if isinstance(value, bool):
        raise InvalidArgument(f"{name} is {value}; give a whole number from {low:,} to {high:,}")
    try:
        number = operator.index(value)
    except TypeError:
        raise InvalidArgument(f"{name} is {_text(value)}; give a whole number from {low:,} to {high:,}") from None
    if not low <= number <= high:
        raise InvalidArgument(f"{name} is {number:,}; give a whole number from {low:,} to {high:,}")
    return number


def flag(value: Any, name: str) -> int:
    """0 or 1. Raises ``InvalidArgument``."""
    if value is True or value is False:
        return int(value)
    raise InvalidArgument(f"{name} is {_text(value)}; give True or False")


def number(value: Any, name: str, low: float = 0.0) -> float:
    """`value` as a finite float of at least `low`. Raises ``InvalidArgument``."""
    try:
        result = float(value)
    except (TypeError, ValueError, OverflowError):
        raise InvalidArgument(f"{name} is {_text(value)}; give a number of at least {low:g}") from None
    if not math.isfinite(result) or result < low:
        raise InvalidArgument(f"{name} is {result:g}; give a number of at least {low:g}")
    return result


def choice(value: Any, name: str, choices: Mapping[str, int]) -> int:
    """The number that stands for a name. Raises ``InvalidArgument``."""
    found = choices.get(value) if isinstance(value, str) else None
    if found is None:
        raise InvalidArgument(f"{name} is {_text(value)}; use one of {', '.join(map(repr, choices))}")
    return found


def instance(value: Any, name: str, kind: type, remedy: str) -> Any:
    """`value`, if it is of that class. Raises ``InvalidArgument``."""
    if not isinstance(value, kind):
        raise InvalidArgument(f"{name} is {_text(value)}; give {remedy}")
    return value


def _text(value: Any) -> str:
    if value is None or isinstance(value, (bool, int, float, str)):
        return repr(value)[:80]
    return f"a {type(value).__module__}.{type(value).__qualname__}"
