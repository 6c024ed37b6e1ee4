"""The format of dispatched rows: BF16, or FP8 with one of three kinds of scales."""

from __future__ import annotations

from typing import NamedTuple

from .. import _structures as c
from .._torch.errors import invalid


class Format(NamedTuple):
    """DeepEP's three switches."""

    use_fp8: bool
    round_scale: bool
    use_ue8m0: bool

    def check(self, hidden: int) -> None:
        """Raises ``InvalidArgument`` if the switches do not go together or do not suit the hidden size."""
        if (self.round_scale or self.use_ue8m0) and not self.use_fp8:
            name = "round_scale" if self.round_scale else "use_ue8m0"
            raise invalid(name, True, "False with use_fp8=False: BF16 rows have no scales", "Pass use_fp8=True")
        if self.use_ue8m0 and not self.round_scale:
            raise invalid("use_ue8m0", True, "round_scale=True beside it: exponents are powers of two")
        if self.use_ue8m0 and hidden % 512 != 0:
            raise invalid(
                "hidden (x.shape[1])", hidden, "a multiple of 512 with use_ue8m0=True", "Pass use_ue8m0=False"
            )

    @property
    def code(self) -> int:
        return c.FLOAT8 if self.use_fp8 else c.BFLOAT16

    @property
    def scales(self) -> int:
        if self.use_ue8m0:
            return c.SCALES_EXPONENTS
        return c.SCALES_POWER_OF_TWO if self.round_scale else c.SCALES_FLOAT32
