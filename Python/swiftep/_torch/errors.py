"""Exceptions on the way from a tensor to the library."""

from __future__ import annotations

from typing import Any, NoReturn

from .. import _errors, _library


class Unsupported(_errors.Error, NotImplementedError):
    """Something that the original offers and SwiftEP does not. The text says what to use instead."""

    code = _errors.InvalidArgument.code


def fail(code: int) -> NoReturn:
    """Raises the exception for the library's last call of this thread, which returned ``code``."""
    raise _errors.error(code, _library.load().swiftep_last_error().decode("utf-8", "replace"))


def invalid(argument: str, value: Any, wanted: str, remedy: str = "") -> _errors.InvalidArgument:
    """An exception that names an argument, its value, the wanted value, and the remedy."""
    text = f"{argument} is {value}; wanted: {wanted}"
    return _errors.InvalidArgument(f"{text}. {remedy}" if remedy else text)


def describe(tensor: Any) -> str:
    """A tensor in an error: type, shape, strides if they are not the usual ones, device."""
    try:
        text = f"{str(tensor.dtype).removeprefix('torch.')} {list(tensor.shape)}"
        if not tensor.is_contiguous():
            text += f" with strides {list(tensor.stride())}"
        return f"{text} on {tensor.device}"
    except AttributeError:
        return repr(tensor)
