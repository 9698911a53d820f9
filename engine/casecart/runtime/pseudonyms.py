"""What stands for the patient's identifiers of one message: tokens in its documents, keys in the ledger."""

from __future__ import annotations

from typing import TYPE_CHECKING

from casecart.rules.ledger import SHARED

if TYPE_CHECKING:
    from casecart.rules import Keys, Tokens

__all__ = ["Pseudonyms"]


class Pseudonyms:
    """Made for one message while it is mapped.

    Args:
        facility: whose numbers the identifiers are.
        keys: derives the ledger's keys.
        tokens: derives tokens.
        book: the ledger that the channel's lines are in; empty: that of the stock.
    """

    __slots__ = ("_book", "_case_keys", "_keys", "_tokens", "facility", "given")

    def __init__(self, facility: str, keys: Keys, tokens: Tokens, book: str = "") -> None:
        self.facility, self._keys, self._tokens, self._book = facility, keys, tokens, book
        self._case_keys: dict[str, bytes] = {}
        self.given: list[tuple[str, str, str]] = []
        """(token, kind, value) of every token that was asked for."""

    def token(self, kind: str, value: str) -> str:
        """The token for a value. The ledger's key is made of the value itself, so that tokens may be renewed."""
        token = self._tokens.token(self.facility, kind, value)
        self._case_keys[token] = self._keys.case(self.facility, value, self._book)
        self.given.append((token, kind, value))
        return token

    def stock_key(self, case: str) -> bytes:
        """The key of a document's case in the ledger of the stock: what is known of a case is known to every book."""
        if not self._book:
            return self.case_key(case)
        value = next((value for token, _, value in self.given if token == case), case)
        return self._keys.case(self.facility, value)

    def resource_key(self, channel: str, name: str) -> bytes:
        """The ledger's key of what a channel was told of a resource, such as `Procedure/17`, whatever its case."""
        return self._keys.case(self.facility, f"{channel}\0{name}", "resource")

    def shared_line(self, serial: str) -> str:
        """The name of the line of a thing with a serial number, which it does not tell."""
        return f"{SHARED}{self._keys.order(self.facility, 'serial', serial).hex()}"

    def case_key(self, case: str) -> bytes:
        """The ledger's key of a document's case, which is a token or, if the mapping gives it none, the value."""
        key = self._case_keys.get(case)
        if key is None:
            key = self._case_keys[case] = self._keys.case(self.facility, case, self._book)
        return key
