"""Experts of Hugging Face transformers models on SwiftEP's layer.

::

    import swiftep.transformers

    swiftep.transformers.register()
    model = AutoModelForCausalLM.from_pretrained(..., dtype=torch.bfloat16, experts_implementation="swiftep")

Needs transformers 5, where experts implementations are chosen by name. ``docs/transformers.md`` says what runs and what
is refused.
"""

from __future__ import annotations

from ._registration import register, set_overlap
from ._settings import OVERLAPS, Settings

__all__ = ["OVERLAPS", "Settings", "register", "set_overlap"]
