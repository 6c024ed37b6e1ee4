"""One exception for each result of the C interface."""

from __future__ import annotations

from . import _structures as c


class Error(Exception):
    """Anything that SwiftEP refuses or that goes wrong in it. The text names the value, the limit and the remedy."""

    #: The result of ``swiftep.h``, 1 to 6.
    code: int = c.INTERNAL


class InvalidArgument(Error, ValueError):
    """A value, size, type, address or object that the call cannot take. Nothing has been computed."""

    code = c.INVALID


class OutOfOrder(Error, RuntimeError):
    """A call out of order, on an object that failed before, or on one that has been closed."""

    code = c.STATE


class WaitTimedOut(Error, TimeoutError):
    """A kernel waited for another rank, or for a signal, longer than it may. The object must be reset."""

    code = c.TIMEOUT


class DeviceError(Error, RuntimeError):
    """An error of the device, its driver or its memory."""

    code = c.DEVICE


class TransportError(Error, ConnectionError):
    """Other processes did not come in time, have gone, have other settings, or cannot be reached, as where NVSHMEM is
    missing."""

    code = c.TRANSPORT


class InternalError(Error, RuntimeError):
    """A fault of SwiftEP."""

    code = c.INTERNAL


class LibraryNotFound(Error, ImportError):
    """``libSwiftEPABI.so`` is not there, cannot be loaded, or has another version of the interface."""

    code = c.STATE


_BY_CODE: dict[int, type[Error]] = {
    kind.code: kind for kind in (InvalidArgument, OutOfOrder, WaitTimedOut, DeviceError, TransportError, InternalError)
}


def error(code: int, text: str) -> Error:
    """The exception for a result that is not ``SWIFTEP_OK``."""
    kind = _BY_CODE.get(code)
    if kind is None:
        return InternalError(f"the library returned {code}, which this package does not know: {text}")
    return kind(text)
