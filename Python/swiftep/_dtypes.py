"""Element types, and their names in NumPy and PyTorch."""

from __future__ import annotations

from typing import Any, NamedTuple


class DType(NamedTuple):
    """An element type of device memory."""

    name: str
    itemsize: int
    #: The NumPy type that carries its bits.
    numpy: str
    #: Names under which NumPy arrays are taken; some need ``ml_dtypes``.
    numpy_names: tuple[str, ...]
    #: Names under which tensors are taken, without ``torch.``.
    torch_names: tuple[str, ...]

    def wanted(self) -> str:
        """The type in the words of errors."""
        arrays = " or ".join(self.numpy_names)
        tensors = " or ".join(f"torch.{name}" for name in self.torch_names)
        return f"{self.name} (NumPy {arrays}; {tensors})"


BFLOAT16 = DType("bfloat16", 2, "uint16", ("uint16", "bfloat16"), ("bfloat16",))
FLOAT8 = DType("float8_e4m3fn", 1, "uint8", ("uint8", "float8_e4m3fn"), ("float8_e4m3fn", "uint8"))
FLOAT32 = DType("float32", 4, "float32", ("float32",), ("float32",))
INT32 = DType("int32", 4, "int32", ("int32",), ("int32",))
INT64 = DType("int64", 8, "int64", ("int64",), ("int64",))
UINT32 = DType("uint32", 4, "uint32", ("uint32", "int32"), ("int32", "uint32"))
UINT8 = DType("uint8", 1, "uint8", ("uint8",), ("uint8",))

ALL: dict[str, DType] = {t.name: t for t in (BFLOAT16, FLOAT8, FLOAT32, INT32, INT64, UINT32, UINT8)}


def torch_dtype(torch: Any, dtype: DType) -> Any:
    """The tensor type of results of this type."""
    return getattr(torch, dtype.torch_names[0])


def from_name(name: str) -> DType:
    """The type of this name. Raises ``InvalidArgument``."""
    from ._errors import InvalidArgument

    found = ALL.get(name) if isinstance(name, str) else None
    if found is None:
        raise InvalidArgument(f"dtype is {name!r}; use one of {', '.join(ALL)}")
    return found
