"""The desk: one person's way to a site's store. Every query and every command of theirs goes through it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Generic, TypeVar

import msgspec

from casecart.commands.refusal import Refusal
from casecart.commands.site import opened, read_site
from casecart.runtime.clock import wall_clock
from casecart.store import AuditRecord, Change

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

    from casecart.commands.actor import Actor, Permission
    from casecart.commands.site import Site
    from casecart.store import Store

__all__ = ["Command", "Desk", "Done", "Query", "View", "open_desk"]

REMEMBERED = 1_000
"""Audit records that are searched for an idempotency key: a client that repeats a command does it soon."""

_Answer = TypeVar("_Answer")


@dataclass(frozen=True, slots=True)
class View:
    """What a query or a command may look at."""

    site: Site
    store: Store
    now: int
    """µs since 1970 UTC."""


class Query(ABC, Generic[_Answer]):
    """A question. A subclass is a frozen dataclass of what is asked."""

    @property
    def permission(self) -> Permission:
        """What the person must have."""
        return "see"

    def audited(self, answer: _Answer) -> tuple[str, str] | None:  # noqa: ARG002 - for those that override it
        """Command and subject for the audit trail, where the answer shows what a message says of a patient."""
        return None

    @abstractmethod
    def answer(self, view: View) -> _Answer:
        """Raises `Refusal`, and what the store raises."""


class Command(ABC):
    """A wish to change something. A subclass is a frozen dataclass of what is wished."""

    name: ClassVar[str]
    """As the audit trail has it, such as ``destination.pause``."""
    permission: ClassVar[Permission] = "operate"

    @property
    @abstractmethod
    def subject(self) -> str:
        """What it is about, such as ``destination:erp``."""

    @property
    def detail(self) -> Mapping[str, str]:
        """What else the audit trail keeps. No patient data."""
        return {}

    @abstractmethod
    def change(self, view: View, change: Change, actor: Actor) -> str:
        """Adds to the change what the command does; gives words for what is so afterwards. Raises `Refusal`."""


class Done(msgspec.Struct, frozen=True, kw_only=True):
    """What became of a command."""

    command: str
    subject: str
    words: str
    repeated: bool
    """It was done before under the same idempotency key; nothing was done now."""


class Desk:
    """Serves one actor at one site.

    Args:
        site: the workspace's names.
        store: for queries a reader will do.
        actor: who asks.
        now: wall clock, µs since 1970.
    """

    def __init__(self, *, site: Site, store: Store, actor: Actor, now: Callable[[], int]) -> None:
        self.site, self._store, self._actor, self._now = site, store, actor, now

    def ask(self, query: Query[_Answer]) -> _Answer:
        """The query's answer. A look that must be audited is in the trail before the answer is given."""
        self.permit(query.permission)
        view = View(self.site, self._store, self._now())
        answer = query.answer(view)
        audited = query.audited(answer)
        if audited is not None:
            command, subject = audited
            self._store.write(Change(audit=[AuditRecord(view.now, self._actor.name, command, subject, "{}")]))
        return answer

    def do(self, command: Command, *, key: str) -> Done:
        """Does it, once for an idempotency key; what it changes and its audit record are written together.

        Args:
            command: the wish.
            key: of the caller's choice; the same key and command again does nothing, as long as the trail's newest
                thousand records hold it.
        """
        self.permit(command.permission)
        for record in self._store.audit(REMEMBERED):
            if record.command == command.name and _key(record) == key:
                return Done(command=command.name, subject=record.subject, words="It was done before", repeated=True)
        view = View(self.site, self._store, self._now())
        change = Change()
        words = command.change(view, change, self._actor)
        detail = msgspec.json.encode({"key": key, **command.detail}).decode()
        change.audit.append(AuditRecord(view.now, self._actor.name, command.name, command.subject, detail))
        self._store.write(change)
        return Done(command=command.name, subject=command.subject, words=words, repeated=False)

    def permit(self, permission: Permission) -> None:
        """Raises `Refusal` where the actor may not."""
        if permission not in self._actor.permissions:
            raise Refusal("not-permitted", f"{self._actor.name} may not do this: it needs the right to {permission}")


@contextmanager
def open_desk(root: Path, actor: Actor, *, writing: bool = False) -> Iterator[Desk]:
    """A desk at a workspace, for one process and as long as it asks.

    Args:
        root: the workspace.
        actor: who asks.
        writing: for commands, and for queries that are audited.

    Raises:
        NotAWorkspace: there is none.
        WorkspaceError: its configuration can't be read.
        StoreMisconfigured: the store is not made yet, or not this program's.
        StoreUnavailable: it can't be reached.
    """
    site = read_site(root)
    with opened(site, "person" if writing else "reader") as store:
        yield Desk(site=site, store=store, actor=actor, now=wall_clock)


def _key(record: AuditRecord) -> str | None:
    try:
        detail = msgspec.json.decode(record.detail)
    except msgspec.DecodeError:  # another program's record
        return None
    key = detail.get("key") if isinstance(detail, dict) else None
    return key if isinstance(key, str) else None
