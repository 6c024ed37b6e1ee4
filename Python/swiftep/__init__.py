"""SwiftEP: expert-parallel Mixture-of-Experts decode with Single Batch Overlap."""

from __future__ import annotations

from ._errors import (
    DeviceError,
    Error,
    InternalError,
    InvalidArgument,
    LibraryNotFound,
    OutOfOrder,
    TransportError,
    WaitTimedOut,
)
