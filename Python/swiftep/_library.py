"""Finds, loads and calls the shared library.

It is loaded at the first call, not at import; loading it makes no CUDA context.
"""

from __future__ import annotations

import ctypes
import os
import threading
from pathlib import Path
from typing import Any

from . import _errors, _structures
from ._prototypes import PROTOTYPES

#: A path to the library, instead of those of ``candidates``.
ENVIRONMENT = "SWIFTEP_LIBRARY"
NAME = "libSwiftEPABI.so"

_lock = threading.Lock()
_library: ctypes.CDLL | None = None


def candidates() -> list[Path]:
    """Paths at which the library may be, best first: as ``SWIFTEP_LIBRARY`` says, else beside this file, else in the
    build folder of the checkout that this file is in."""
    chosen = os.environ.get(ENVIRONMENT)
    if chosen:
        return [Path(chosen)]
    here = Path(__file__).resolve().parent
    return [here / NAME, here.parent.parent / ".build" / "release" / NAME]


def load() -> ctypes.CDLL:
    """The library with the prototypes of ``swiftep.h``, loaded once per process.

    Raises ``LibraryNotFound`` if it is not there, cannot be loaded or has another version of the interface."""
    global _library
    if _library is None:
        with _lock:
            if _library is None:
                _library = _declare(_open())
    return _library


def call(name: str, *arguments: Any) -> None:
    """Calls a function of ``swiftep.h`` that returns a result, and raises the exception for an error."""
    library = load()
    try:
        code = getattr(library, name)(*arguments)
    except ctypes.ArgumentError as wrong:
        raise _errors.InvalidArgument(f"{name}: {wrong}") from wrong
    if code != _structures.OK:
        raise _errors.error(code, library.swiftep_last_error().decode("utf-8", "replace"))


def _open() -> ctypes.CDLL:
    paths = candidates()
    for path in paths:
        if path.is_file():
            try:
                # Its symbols stay local: the process may hold other Swift or C++ runtimes.
                return ctypes.CDLL(str(path), mode=os.RTLD_LOCAL | os.RTLD_NOW)
            except OSError as wrong:
                raise _errors.LibraryNotFound(f"{path} cannot be loaded: {wrong}") from wrong
    looked = " and ".join(str(path) for path in paths)
    raise _errors.LibraryNotFound(
        f"there is no {NAME} at {looked}; build it with `swift build -c release --product SwiftEPABI`, or say where it "
        f"is with {ENVIRONMENT}"
    )


def _declare(library: ctypes.CDLL) -> ctypes.CDLL:
    for name, (result, arguments) in PROTOTYPES.items():
        try:
            function = getattr(library, name)
        except AttributeError as wrong:
            raise _errors.LibraryNotFound(f"{library._name} has no function {name}; it is another library") from wrong
        function.restype = result
        function.argtypes = arguments
    version = library.swiftep_abi_version()
    if version != _structures.ABI_VERSION:
        raise _errors.LibraryNotFound(
            f"{library._name} has version {version} of the interface, and this package needs "
            f"{_structures.ABI_VERSION}; build it from the same checkout"
        )
    return library
