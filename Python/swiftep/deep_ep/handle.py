"""The handle that a dispatch returns for its combine."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ._exchange import Exchange


class Handle(tuple[Any, ...]):
    """DeepEP's ``(source_info, layout_range, num_max_dispatch_tokens_per_rank, hidden, num_experts)``.

    It knows its dispatch. A copy that is a plain tuple does too, by the memory of ``layout_range``, as long as no other
    dispatch has taken that."""

    exchange: "Exchange"
    turn: int
    #: Resets of the exchange before it.
    resets: int

    @classmethod
    def of(cls, items: tuple[Any, ...], exchange: "Exchange", turn: int) -> "Handle":
        handle = cls(items)
        handle.exchange = exchange
        handle.turn = turn
        handle.resets = exchange.resets
        return handle
