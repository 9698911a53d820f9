"""The site that a workspace is to run at: this machine, the store, and what is asked over the network."""

from __future__ import annotations

import errno
import os
import socket
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, cast

from casecart.commands.site import CONFIGURATION, opened, read_site
from casecart.rules import MINIMUM_SECRET
from casecart.runtime.kinds import destination_specs, listener_specs
from casecart.runtime.probe import ProbeContext, Unfit, folder_takes
from casecart.runtime.tls import ClientTls, ServerTls, client_context, server_context
from casecart.runtime.watermark import SHARE, USUAL, disk_of
from casecart.store import StoreBroken, StoreMisconfigured, StoreUnavailable
from casecart.store.location import SqliteFile, locate
from casecart.store.standing import standing
from casecart.workspace import Component, Declared, Finding, Place, Secret, Text, WorkspaceError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from casecart.runtime.probe import Probe
    from casecart.store import SharedStore
    from casecart.workspace import Engine

__all__ = ["Asked", "asked_of", "here"]

_DAY: Final = 86_400


@dataclass(frozen=True, slots=True)
class Asked:
    """A listener or destination that can be asked whether it is there.

    Attributes:
        name: of it.
        place: where it is configured.
        ask: does so; the argument is Twisted's reactor. Raises `Unfit`, and `WorkspaceError` where a secret is missing.
    """

    name: str
    place: Place
    ask: Callable[[Any], Any]


def here(root: Path, engine: Engine, environment: Mapping[str, str] = os.environ) -> Iterator[Finding]:
    """What is wrong on this machine. Nothing is changed, and no finding repeats a secret.

    Args:
        root: the workspace.
        engine: its configuration.
        environment: where secrets that name a variable are found.
    """
    yield from _secrets(root, engine, environment)
    yield from _certificates(root, engine, environment)
    yield from _store(root, engine, environment)
    yield from _ports(root, engine, environment)
    yield from _clock(root)


def asked_of(root: Path, engine: Engine) -> list[Asked]:
    """All that is asked over the network, or looked at by its own kind."""
    found = []
    kinds: tuple[tuple[Mapping[str, Component], Mapping[str, Any]], ...] = (
        (engine.listeners, listener_specs()),
        (engine.destinations, destination_specs()),
    )
    for components, specs in kinds:
        for name, component in components.items():
            probe = specs[component.kind].probe
            if probe is not None:
                found.append(_asked(root, name, component, probe))
    return found


def _asked(root: Path, name: str, component: Component, probe: Probe) -> Asked:
    place = name.place if isinstance(name, Text) else component.place
    return Asked(str(name), place, lambda reactor: probe(ProbeContext(str(name), component.settings, reactor, root)))


# --- secrets and certificates
def _secrets(root: Path, engine: Engine, environment: Mapping[str, str]) -> Iterator[Finding]:
    own = {engine.secrets.keys.place: "keys", engine.secrets.tokens.place: "tokens"}
    for secret in dict.fromkeys(_all(engine, Secret)):
        try:
            value = secret.reveal(environment, root)
        except WorkspaceError as error:
            yield from error.findings
            continue
        name = own.get(secret.place)
        if name is not None and len(value.encode()) < MINIMUM_SECRET:
            words = (
                f"the secret for {name} has fewer than {MINIMUM_SECRET} characters; `casecart init` makes a good one"
            )
            yield Finding(secret.place, "error", "secret-short", words)


def _certificates(root: Path, engine: Engine, environment: Mapping[str, str]) -> Iterator[Finding]:
    for tls in (*_all(engine, ServerTls), *_all(engine, ClientTls)):
        try:
            if isinstance(tls, ServerTls):
                server_context(tls, root, environment)
            else:
                client_context(tls, root, environment)
        except WorkspaceError as error:
            yield from (each for each in error.findings if each.code != "secret-missing")  # that is told


def _all(value: object, sort: type[Any]) -> Iterator[Any]:
    """All values of a type in a configuration. A header is a secret where it names one."""
    if isinstance(value, sort):
        yield value
    if isinstance(value, Component):
        yield from _all(value.settings, sort)
    elif isinstance(value, Declared):
        names = {key.attribute for key in value.__keys__}
        if (
            sort is Secret
            and {"env", "file"} <= names
            and (getattr(value, "env", None) or getattr(value, "file", None))
        ):
            yield Secret(env=getattr(value, "env", None), file=getattr(value, "file", None), place=value.place)
        for name in names:
            yield from _all(getattr(value, name), sort)
    elif isinstance(value, tuple):
        for each in value:
            yield from _all(each, sort)
    elif hasattr(value, "values"):
        for each in value.values():
            yield from _all(each, sort)


# --- store and disk
def _store(root: Path, engine: Engine, environment: Mapping[str, str]) -> Iterator[Finding]:
    place = engine.store.at("url") if engine.store.place.file == CONFIGURATION else Place(CONFIGURATION)
    try:
        url = read_site(root, environment).store_url
    except WorkspaceError:  # its secret is told
        return
    location = locate(url)
    if isinstance(location, SqliteFile):
        yield from _disk(location.path.parent, engine, place)
    how = standing(url)
    if how.code:
        yield Finding(place, "warning" if how.passing else "error", how.code, how.words)


def _disk(folder: Path, engine: Engine, place: Place) -> Iterator[Finding]:
    try:
        folder_takes(folder, place)
        while not folder.exists():
            folder = folder.parent
        disk = disk_of(folder)
    except Unfit as why:
        yield Finding(place, "error", why.code, why.words)
        return
    except OSError:
        return
    reserve = engine.intake.disk_reserve or min(USUAL, disk.whole // SHARE)
    free = f"{disk.free / 1e9:,.1f} GB are free on the disk of {folder}"
    if disk.free < reserve:
        words = f"{free}, and {reserve / 1e9:,.1f} GB must stay so: nothing would be taken in"
        yield Finding(place, "error", "disk-low", words)
    elif disk.free < 2 * reserve:
        yield Finding(place, "warning", "disk-low", f"{free}; below {reserve / 1e9:,.1f} GB nothing is taken in")


# --- ports and clock
def _ports(root: Path, engine: Engine, environment: Mapping[str, str]) -> Iterator[Finding]:
    doors: dict[str, Declared] = {name: component.settings for name, component in engine.listeners.items()}
    if engine.metrics is not None:
        doors["metrics"] = engine.metrics
    taken = [(name, settings, error) for name, settings in doors.items() if (error := _not_bound(settings)) is not None]
    if not taken or _engine_runs(root, environment):
        return
    for name, settings, error in taken:
        number, interface = getattr(settings, "port", 0), getattr(settings, "interface", "")
        if error == errno.EADDRINUSE:
            words = f"port {number} of {interface} is taken by another process, and '{name}' could not listen there"
            yield Finding(settings.at("port"), "error", "port-taken", words)
        else:
            words = f"'{name}' can't listen on port {number} of {interface} ({os.strerror(error).lower()})"
            yield Finding(settings.at("interface"), "error", "address-unusable", words)


def _not_bound(settings: Declared) -> int | None:
    """The number of the error with which a port can't be listened on; None: it can, or there is none."""
    number, interface = getattr(settings, "port", 0), str(getattr(settings, "interface", ""))
    if not number or not interface:
        return None
    family = socket.AF_INET6 if ":" in interface else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as door:
        door.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            door.bind((interface, number))
            door.listen(1)
        except OSError as error:
            return error.errno or errno.EINVAL
    return None


def _engine_runs(root: Path, environment: Mapping[str, str]) -> bool:
    """Whether an engine of this workspace is at work: then its ports are its own."""
    try:
        site = read_site(root, environment)
        if standing(site.store_url).in_use:
            return True
        with opened(site, "person") as store:
            return store.shared and any(each.connected for each in cast("SharedStore", store).members())
    except (WorkspaceError, StoreMisconfigured, StoreUnavailable, StoreBroken):
        return False


def _clock(root: Path, now: Callable[[], float] = time.time) -> Iterator[Finding]:
    """The clock is not before what was written by it, or with this casecart."""
    own, place = Path(__file__), Place(CONFIGURATION)
    for file, what in ((own, "this casecart was installed"), (root / CONFIGURATION, "this file was written")):
        try:
            ahead = file.stat().st_mtime - now()
        except OSError:
            continue
        if ahead > _DAY:
            words = f"the clock of this machine is {ahead / _DAY:,.0f} days before the moment in which {what}"
            yield Finding(place, "error", "clock-off", words)
            return


def sorted_in(findings: Iterable[Finding]) -> tuple[Finding, ...]:
    """In the order of files and lines, each once."""
    return tuple(sorted(dict.fromkeys(findings), key=lambda finding: finding.place))
