"""Why something that was asked can't be done, for the person who asked."""

from __future__ import annotations

from typing import Literal

__all__ = ["Refusal", "RefusalCode"]

RefusalCode = Literal["not-found", "ambiguous", "not-permitted", "bad-value", "damaged", "deleted"]


class Refusal(Exception):
    """Nothing was done.

    Args:
        code: stable; an API answers by it.
        words: what is wrong and what to do, without a final full stop where a suggestion follows.
        suggestion: the name that was probably meant.
    """

    def __init__(self, code: RefusalCode, words: str, suggestion: str | None = None) -> None:
        super().__init__(words if suggestion is None else f"{words}. Did you mean '{suggestion}'?")
        self.code, self.words, self.suggestion = code, words, suggestion
