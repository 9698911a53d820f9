"""Fix a cause: write what was missing, and have exactly its lines worked again."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, ClassVar

import msgspec

from casecart.canonical.master import Identifier, Item
from casecart.commands.desk import Desk
from casecart.commands.master_data import append, load_documents, tidy, versions
from casecart.commands.refusal import Refusal
from casecart.commands.site import opened, read_site
from casecart.commands.worklist import ACCEPTABLE, DAMAGED, DELETED, NAMING, OPEN, UNSURE, find_cause
from casecart.commands.workspace import load_workspace
from casecart.master.checks import clashes, two_quantities
from casecart.master.import_plan import DocumentChange, empty_document
from casecart.master.items import FIELD_OF_SYSTEM
from casecart.master.ownership import WORKLIST
from casecart.master.table_file import DocumentKey, read_quantity
from casecart.runtime.clock import wall_clock
from casecart.runtime.copy import encode_decision
from casecart.store import AuditRecord, Change, HoldChange, Replay
from casecart.store.seal import Damaged, opened_text
from casecart.workspace import WorkspaceError
from casecart.workspace.findings import did_you_mean
from casecart.workspace.table_text import put

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from casecart.canonical.master import MasterDocument, System
    from casecart.commands.actor import Actor
    from casecart.store import Hold, HoldGroup, Store

__all__ = ["FixAnswer", "FixCause", "fix_cause"]

TAKEN_UP = "`casecart apply` it (or start the engine anew)"
"""How a change of the files comes to the engine."""

# A number that is written by a fix: whose it is, by the field that told it. A device identifier is told by its look.
_SYSTEM_OF: dict[str, System] = {
    "catalog_number": "catalog",
    "item": "item",
    "ehr_item": "ehr",
    "supplier_item": "supplier",
}
_GTIN = 14


@dataclass(frozen=True, slots=True, kw_only=True)
class FixCause:
    """The wish to fix a cause.

    Attributes:
        reference: the cause, or a single exception.
        reason: why this is right, for the audit trail.
        item: the item that is meant.
        quantity: how many of its unit the number names.
        everywhere: the number is the item's at every facility, and not only at the one of the lines.
        value: what the table makes of the code.
        accept: post the lines all the same; or take over what another system says.
        posted: of a posting that its destination did not take, or of which nobody knows: whether it is in the books.
    """

    name: ClassVar[str] = "worklist.fix"
    reference: str
    reason: str
    item: str | None = None
    quantity: str = "1"
    everywhere: bool = True
    value: str | None = None
    accept: bool = False
    posted: bool | None = None


class FixAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """What a fix did."""

    fixed: int
    """Exceptions."""
    replays: int
    """Lines that are worked again."""
    words: list[str]


def fix_cause(root: Path, wish: FixCause, actor: Actor) -> FixAnswer:
    """Fixes a cause: what it writes, the states, the wishes to work lines again and the audit record are one change.

    A running engine works the lines again within seconds; one that stands does when it is started.

    Raises:
        Refusal: it can't be fixed like this; nothing was written.
    """
    site = read_site(root)
    reason = wish.reason.strip()
    if not reason:
        raise Refusal("bad-value", "say why with --reason: the audit trail keeps it")
    with opened(site, "person") as store:
        desk = Desk(site=site, store=store, actor=actor, now=wall_clock)
        desk.permit("operate")
        # Locked in any case: two people who fix one cause do it one after the other.
        with store.master_lock():
            group, holds = find_cause(store, wish.reference, OPEN)
            fixing = _Fixing(root, store, group, holds, wish, actor, wall_clock())
            answer = fixing.done()
            tidy(store)
    return answer


class _Fixing:
    def __init__(  # noqa: PLR0917 - all that a fix is about
        self,
        root: Path,
        store: Store,
        group: HoldGroup,
        holds: Sequence[Hold],
        wish: FixCause,
        actor: Actor,
        now: int,
    ) -> None:
        self._root, self._store, self._group, self._holds = root, store, group, holds
        self._wish, self._actor, self._now = wish, actor, now
        self._change = Change()
        self._words: list[str] = []

    def done(self) -> FixAnswer:
        group, wish, code = self._group, self._wish, self._group.code
        self._check()
        table: tuple[Path, str] | None = None
        decision: dict[str, object] = {}
        revision = ""
        if wish.item is not None:
            if code in {"item-unknown", "item-not-valid"} and group.subject.partition(":")[0] in NAMING:
                self._cross_reference(wish.item)
            else:
                self._must_be_item(wish.item)
                decision = {"item": wish.item}
        elif wish.value is not None:
            table, revision = self._table_row(wish.value)
        elif wish.accept and code == "not-owner":
            self._take_over()
        elif wish.accept:
            decision = {"accept": [code]}
        elif self._posting:
            outcome = {None: "again", True: "posted", False: "not posted"}
            decision = {"outcome": outcome[wish.posted]}
        held = [hold for hold in self._holds if hold.kind == "held" and hold.position]
        self._change.hold_changes += [
            HoldChange("fixed", hold.assignee, wish.reason.strip(), self._now, hold.id) for hold in self._holds
        ]
        written = encode_decision(decision)
        self._change.replays += [
            Replay(hold.id, hold.position, hold.channel, hold.place, self._now, self._actor.name, revision, written)
            for hold in held
        ]
        self._audit(decision)
        if table is not None:
            # Before the store: a row too many does nothing, a replay without its row would fail again.
            self._add_row(*table)
        self._store.write(self._change)
        return FixAnswer(fixed=len(self._holds), replays=len(held), words=self._words)

    def _check(self) -> None:
        """What was asked for fits the cause."""
        group, wish = self._group, self._wish
        if sum([wish.item is not None, wish.value is not None, wish.accept]) > 1:
            raise Refusal("bad-value", "give one of --item, --value and --accept")
        if group.subject == DAMAGED:
            raise Refusal("damaged", "nothing is known of this posting any more: post it by hand, and reject this")
        if wish.posted is not None and not self._posting:
            words = f"--posted and --not-posted are for postings that a destination did not take: this is {group.code}"
            raise Refusal("bad-value", words)
        if group.subject == UNSURE and wish.posted is None:
            words = "nobody knows whether it was posted: look there, and say --posted or --not-posted"
            raise Refusal("bad-value", words)
        if wish.item is not None and not group.code.startswith("item-"):
            raise Refusal("bad-value", f"--item is for lines whose item is in doubt, and this is {group.code}")
        if wish.value is not None and group.code != "code-not-in-table":
            raise Refusal("bad-value", f"--value is for a code that a table lacks, and this is {group.code}")
        if wish.accept and group.code not in ACCEPTABLE | {"not-owner", DELETED}:
            raise Refusal("bad-value", f"--accept is for findings of the step verify, and this is {group.code}")
        if group.code == "not-owner" and not wish.accept:
            words = "take over what the other system says with --accept, or reject it"
            raise Refusal("bad-value", words)

    @property
    def _posting(self) -> bool:
        return any(hold.destination for hold in self._holds)

    def _documents(self) -> dict[DocumentKey, MasterDocument]:
        return load_documents(self._store)

    def _must_be_item(self, number: str) -> tuple[DocumentKey, Item]:
        documents = self._documents()
        for facility in ("", self._group.facility):
            key = DocumentKey("item", facility, number)
            item = documents.get(key)
            if isinstance(item, Item):
                return key, item
        known = [key.key for key in documents if key.kind == "item"]
        raise Refusal("not-found", f"there is no item '{number}'", did_you_mean(number, known[:5_000]))

    def _cross_reference(self, number: str) -> None:
        """The item has the number from now on, and so has every later line."""
        key, item = self._must_be_item(number)
        field, _, value = self._group.subject.partition(":")
        if not value:
            words = "the number does not look like one, so that it can't be written to an item: mend the mapping"
            raise Refusal("bad-value", words)
        system = _SYSTEM_OF.get(field) or _agency(value)
        try:
            quantity = read_quantity(self._wish.quantity)
        except ValueError as error:
            raise Refusal("bad-value", f"--quantity: {error}") from None
        identifier = Identifier(
            system=system,
            value=value,
            quantity=quantity,
            facility="" if self._wish.everywhere else self._group.facility,
            source=WORKLIST,
        )
        same = [row for row in item.identifiers if _names(row) != _names(identifier)]
        after = msgspec.structs.replace(item, identifiers=(*same, identifier))
        documents = {**self._documents(), key: after}
        clash = next(clashes({key}, documents), None)
        if clash is not None:
            raise Refusal("bad-value", f"the number is one of item {clash[2]} already")
        if two_quantities(key, after) is not None:
            raise Refusal("bad-value", f"the item {number} has that number for another quantity; mend its identifiers")
        self._publish([DocumentChange(key, item, after)])
        self._words.append(f"item {number} has the {system} number {value} from now on")

    def _take_over(self) -> None:
        """What the other system said becomes so."""
        documents = self._documents()
        changed: dict[DocumentKey, DocumentChange] = {}
        for hold in self._holds:
            proposal = _proposed(hold)
            key = DocumentKey(proposal["kind"], proposal["facility"], proposal["key"])
            before = documents.get(key)
            now = changed[key].after if key in changed else before or empty_document(key)
            changed[key] = DocumentChange(key, before, _with(now, proposal["fields"]))
        self._publish(list(changed.values()))
        self._words.append(f"{len(changed):,} documents are as the other system says")

    def _publish(self, changes: Sequence[DocumentChange]) -> None:
        origin = f"worklist {self._wish.reference}"
        rows = versions(changes, actor=self._actor.name, source=WORKLIST, origin=origin, now=self._now)
        if rows:
            self._change.publish(append(self._store, rows))

    def _table_row(self, value: str) -> tuple[tuple[Path, str], str]:
        """The table's file with a row more, and the revision of the channel that must be another by then."""
        table, _, code = self._group.subject.removeprefix("table:").partition("=")
        if not code:
            raise Refusal("bad-value", "the code does not look like one: look at the message, and mend the mapping")
        path = self._root / "mappings" / "tables" / f"{table}.csv"
        workspace = load_workspace(self._root)
        known = workspace.tables.get(table)
        if known is None:
            raise Refusal("not-found", f"there is no table {path}")
        if known.lookup(code, datetime.fromtimestamp(self._now / 1e6, UTC).date()) is not None:
            words = f"{path} has a row for {code} by now: {TAKEN_UP}, and fix this without --value"
            raise Refusal("bad-value", words)
        text = path.read_text(encoding="utf-8-sig")
        row = {"code": code, "value": value, "about": f"{self._actor.name}: {self._wish.reason.strip()}"}
        self._words.append(f"{path} has a row for {code}; {TAKEN_UP}, and the lines are worked again")
        return (path, put(text, [row])), workspace.revision(self._group.channel)

    def _add_row(self, path: Path, text: str) -> None:
        """Writes the table, unless the workspace could not be run with it."""
        before = path.read_bytes()
        path.write_text(text, encoding="utf-8", newline="")
        try:
            load_workspace(self._root)
        except WorkspaceError as error:
            path.write_bytes(before)
            raise Refusal(
                "bad-value", f"--value: with that row the workspace can't be run: {error.findings[0]}"
            ) from None

    def _audit(self, decision: dict[str, object]) -> None:
        wish, group = self._wish, self._group
        said = {"item": wish.item, "quantity": wish.quantity if wish.item else None, "value": wish.value}
        detail = {
            "cause": group.cause,
            "code": group.code,
            "exceptions": str(len(self._holds)),
            "reason": wish.reason.strip(),
            **{name: value for name, value in said.items() if value is not None},
            **({"decision": msgspec.json.encode(decision).decode()} if decision else {}),
        }
        words = msgspec.json.encode(detail).decode()
        subject = f"worklist:{wish.reference}"
        self._change.audit.append(AuditRecord(self._now, self._actor.name, wish.name, subject, words))


def _agency(value: str) -> System:
    """Whose a device identifier is, by its look: digits are GS1's; with letters, HIBCC's begin with one."""
    if value.isdecimal():
        return "GS1" if len(value) <= _GTIN else "ICCBBA"
    return "HIBCC" if value[:1].isalpha() else "ICCBBA"


def _proposed(hold: Hold) -> dict[str, Any]:
    """What another system said."""
    try:
        proposal: dict[str, Any] = msgspec.json.decode(opened_text(hold.proposal, "What the other system said"))
    except (Damaged, msgspec.DecodeError):
        words = "what the other system said is not as it was stored: reject this, and import or pull it again"
        raise Refusal("damaged", words) from None
    return proposal


def _names(row: Identifier) -> tuple[str, str, str]:
    return FIELD_OF_SYSTEM[row.system], row.value, row.facility


def _with(document: MasterDocument | None, fields: dict[str, Any]) -> MasterDocument:
    """A document with other fields, as JSON has them."""
    assert document is not None  # noqa: S101 - it is there
    kind = type(document)
    hints = {field.name: field.type for field in msgspec.structs.fields(kind)}
    return msgspec.structs.replace(
        document, **{name: msgspec.convert(value, hints[name], strict=False) for name, value in fields.items()}
    )
