"""The usual message: each of its lines is the first charge of a line of its case, and nothing is wrong with it.

Nearly all messages are such, and what they come to can be told without folding anything: each line is one posting. This
is only a shorter way to what `CopyEffect` makes, and never makes anything else.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

from casecart.runtime.finding import lookups
from casecart.runtime.ledger import first_posting, in_rows
from casecart.runtime.made import SCHEMA, Made, encode_made, encode_postings
from casecart.runtime.window import Work
from casecart.store import Change, Count, Entry, Message, Run, encode_tokens

if TYPE_CHECKING:
    from collections.abc import Callable

    from casecart.canonical import Usage
    from casecart.master.catalogue import Catalogue
    from casecart.rules import Keys
    from casecart.runtime.copy import Copy
    from casecart.runtime.destination import Posting
    from casecart.runtime.serials import Serials
    from casecart.runtime.statements import Statements

__all__ = ["Usual"]

_Where: TypeAlias = "tuple[str, bytes, bytes]"
"""Destination, key of the case, order key."""


class Usual:
    """Adds what usual messages make to a change.

    Args:
        catalogue: what verifying asks.
        keys: derives the keys of postings.
        statements: about the cases in hand.
        serials: uses of the serial numbers in hand.
        reserve: gives the sequence of a new ledger row.
        change: is added to.
    """

    def __init__(
        self,
        *,
        catalogue: Catalogue,
        keys: Keys,
        statements: Statements,
        serials: Serials,
        reserve: Callable[[], int],
        change: Change,
    ) -> None:
        self._catalogue, self._keys, self._statements = catalogue, keys, statements
        self._serials, self._reserve, self._change = serials, reserve, change

    def apply(self, message: Message, copy: Copy) -> list[Work] | None:
        """The work for destinations; None, and nothing is added, if the message is not a usual one."""
        if copy.troubles or copy.mapped.exceptions or copy.channel.replaces:
            return None
        used = self._serials.mark
        documents: list[tuple[str, str, Usage]] = []
        rows = self._rows(message, copy, documents)
        if rows is None:
            self._serials.take_back(used)
            return None
        self._write(message, copy, documents)
        return [self._entered(message, copy, where, row) for where, made in rows.items() for row in in_rows(made)]

    def _rows(
        self, message: Message, copy: Copy, documents: list[tuple[str, str, Usage]]
    ) -> dict[_Where, list[Posting]] | None:
        """The postings by destination, case and order; adds (place, line, document) to `documents`."""
        channel = copy.channel
        decide, verify, keys = channel.decide, channel.verify, self._keys
        by_serial = channel.by_serial
        new, recorded_at = self._statements.new, message.recorded_at
        seen: set[str] = set()
        rows: dict[_Where, list[Posting]] = {}
        case, case_key, where, row = None, b"", None, None
        for usage, place in zip(copy.watch.over(copy.documents), copy.mapped.places, strict=True):
            if usage.action != "use" or not usage.quantity or usage.case is None:
                return None
            if usage.case != case:
                case, case_key = usage.case, copy.pseudonyms.case_key(usage.case)
            decision = decide(usage)
            line = usage.line or f"{message.control_id}/{place}"
            if by_serial and usage.serial is not None:
                line = self._statements.named(case_key, line, copy.pseudonyms.shared_line(usage.serial))
            if decision.hold or line in seen or not new(case_key, line):
                return None
            seen.add(line)
            if verify is not None:
                uses = self._serials.uses(usage, line, message.position, channel.name) if usage.serial else 0
                if verify(usage, self._catalogue, uses, ()):
                    return None
                if usage.serial is not None:
                    self._serials.add(usage, line, message.position, channel.name)
            posting, document = first_posting(keys, case_key, usage, decision, line=line, place=place)
            posting.history = [(recorded_at, "planned")]
            order_key = channel.order_key(keys, case_key, document)
            if row is None or where != (decision.to, case_key, order_key):
                where = (decision.to, case_key, order_key)
                row = rows.setdefault(where, [])
            row.append(posting)
            documents.append((place, line, usage))
        return rows

    def _write(self, message: Message, copy: Copy, documents: list[tuple[str, str, Usage]]) -> None:
        change, channel, position, filtered = self._change, copy.channel, message.position, copy.mapped.filtered
        made, given = encode_made(Made(SCHEMA, documents, filtered, [])), copy.pseudonyms.given
        tokens = encode_tokens(given)
        change.runs.append(Run(position, channel.name, channel.revision, message.recorded_at, made, 0, tokens))
        scope = f"lines:{channel.name}"
        if produced := len(documents) + len(filtered):
            change.counts.append(Count(message.facility, scope, "produced", produced))
        if filtered:
            change.counts.append(Count(message.facility, scope, "filtered", len(filtered)))
        change.lookups += lookups(position, copy.documents, given)

    def _entered(self, message: Message, copy: Copy, where: _Where, postings: list[Posting]) -> Work:
        destination, case_key, order_key = where
        entry = Entry(
            self._reserve(), message.position, copy.channel.name, message.facility, case_key, order_key, destination,
            len(postings), message.recorded_at, encode_postings(postings),
        )  # fmt: skip
        self._change.entries.append(entry)
        self._statements.add(case_key, message.position, copy.channel.name, destination, postings)
        return Work(entry, postings)
