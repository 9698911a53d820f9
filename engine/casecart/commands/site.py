"""The site: what `config/engine.yaml` says that a person's commands need, however the rest of the workspace stands.

Who pauses a destination must not be kept from it by a mapping that a colleague is in the midst of changing.
"""

from __future__ import annotations

import os
from contextlib import contextmanager
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING
from urllib.parse import quote

from casecart.store import open_store
from casecart.workspace import Finding, Place, WorkspaceError
from casecart.workspace import Store as StoreDeclaration
from casecart.workspace.files import Folder, contents
from casecart.workspace.node import MapNode, Node, TextNode
from casecart.workspace.reader import read
from casecart.workspace.reading import Reading
from casecart.workspace.yaml import LARGEST, parse

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from casecart.store import Role, Store

__all__ = ["CONFIGURATION", "NotAWorkspace", "Site", "opened", "read_site", "require_workspace", "store_url"]

CONFIGURATION = "config/engine.yaml"

_SQLITE = "sqlite:///"
_DEFAULT_STORE = _SQLITE + "var/casecart.db"


class NotAWorkspace(Exception):
    """The folder is no workspace at all."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    """A workspace's own names and its store."""

    root: Path
    organisation: str
    store_url: str = field(repr=False)
    """With the password, where there is one."""
    store_place: str
    """Where the store is, in words that may be shown."""
    time_zones: Mapping[str, str]
    """Facility → IANA time zone."""
    listeners: Mapping[str, str]
    """Name → kind."""
    destinations: Mapping[str, str]
    """Name → kind."""


def require_workspace(root: Path) -> None:
    """Raises `NotAWorkspace` with what to do."""
    if not root.exists():
        raise NotAWorkspace(f"there is no folder {root}; `casecart init {root}` makes a workspace there")
    if not root.is_dir():
        raise NotAWorkspace(f"{root} is a file; a workspace is a folder that has {CONFIGURATION} in it")
    if not os.path.lexists(root / CONFIGURATION):
        raise NotAWorkspace(
            f"{root.absolute()} is no workspace: it has no {CONFIGURATION}; name one with --workspace DIR, "
            "or make one with `casecart init DIR`"
        )


def read_site(root: Path, environment: Mapping[str, str] = os.environ) -> Site:
    """Reads the configuration's names and its store, and nothing else.

    Args:
        root: the workspace.
        environment: where a password that names a variable is found.

    Raises:
        NotAWorkspace: there is none.
        WorkspaceError: the file can't be read, or what it says of the store is wrong.
    """
    require_workspace(root)
    findings: list[Finding] = []
    data = contents(Folder(root), CONFIGURATION, LARGEST, findings)
    if data is None:
        raise WorkspaceError(findings)
    node, findings = parse(data, CONFIGURATION)
    if not isinstance(node, MapNode):
        words = "this is not a block of keys and values"
        raise WorkspaceError(findings or [Finding(Place(CONFIGURATION), "error", "expected-keys", words)])
    declared = _entry(node, "store")
    if declared is None:
        declared = TextNode(node.place, _DEFAULT_STORE)
    reading = Reading()
    store = read(StoreDeclaration, declared, reading)
    if store is None:
        raise WorkspaceError(reading.findings)
    url, place = store_url(root, store, environment)
    return Site(
        root=root,
        organisation=_text(_entry(node, "organisation")),
        store_url=url,
        store_place=place,
        time_zones=_each(node, "facilities", "time_zone"),
        listeners=_each(node, "listeners", "kind"),
        destinations=_each(node, "destinations", "kind"),
    )


def store_url(root: Path, store: StoreDeclaration, environment: Mapping[str, str]) -> tuple[str, str]:
    """The store's URL as `casecart.store` takes it (its path begins at the workspace), and words to show for it."""
    url = str(store.url)
    if url.startswith(_SQLITE):
        path = (root / url.removeprefix(_SQLITE)).absolute()
        return f"{_SQLITE}{path}", f"SQLite, {path}"
    if store.password is None:
        return url, f"PostgreSQL, {url}"
    password = quote(store.password.reveal(environment, root), safe="")
    return f"{url}{'&' if '?' in url else '?'}password={password}", f"PostgreSQL, {url}"


@contextmanager
def opened(site: Site, role: Role) -> Iterator[Store]:
    """The site's store, closed at the end. Raises as `open_store` does."""
    store = open_store(site.store_url, role=role)
    try:
        yield store
    finally:
        store.close()


def _entry(node: Node | None, name: str) -> Node | None:
    entries = node.entries if isinstance(node, MapNode) else ()
    return next((entry.value for entry in entries if entry.key.text == name), None)


def _text(node: Node | None) -> str:
    return node.text if isinstance(node, TextNode) else ""


def _each(node: Node, block: str, key: str) -> Mapping[str, str]:
    """Name → the text under one of its keys, for each name in a block."""
    named = _entry(node, block)
    entries = named.entries if isinstance(named, MapNode) else ()
    return MappingProxyType({entry.key.text: _text(_entry(entry.value, key)) for entry in entries})
