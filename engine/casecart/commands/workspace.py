"""The workspace itself: check what an analyst wrote, make a new one, load one to run."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from casecart.commands.schema import outdated, write_schemas
from casecart.commands.site import read_site, require_workspace
from casecart.runtime.clock import wall_clock
from casecart.store import migrate
from casecart.workspace import Finding, Workspace, WorkspaceError, initialise

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from pathlib import Path

    from casecart.workspace import Loaded

__all__ = ["Checked", "bring_up_store", "check", "checked", "load_workspace", "make_workspace", "read_workspace"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Checked:
    """What a check found."""

    findings: tuple[Finding, ...]
    """In the order of files and lines."""
    workspace: Workspace | None
    """None when it has errors."""

    @property
    def errors(self) -> int:
        """Findings that keep the engine from running."""
        return sum(finding.severity == "error" for finding in self.findings)


def check(root: Path, *, tests: bool = False, advice: bool = True) -> Checked:
    """Everything that is wrong in a workspace: files, names, paths, conditions.

    Args:
        root: of the workspace.
        tests: whether to read the tests beside the channels too; an engine runs without them.
        advice: whether to tell what is odd and no error: that is for who asks, and for no engine that starts.

    Raises:
        NotAWorkspace: there is none.
    """
    require_workspace(root)
    return checked(lambda: _loaded(root), lambda workspace: _beside(root, workspace, tests=tests), advice=advice)


def checked(
    loading: Callable[[], Loaded],
    beside: Callable[[Workspace | None], Iterable[Finding]] = lambda _workspace: (),
    *,
    advice: bool = False,
) -> Checked:
    """Everything that is wrong in what is loaded so.

    Args:
        loading: gives what could be read, or raises `WorkspaceError`.
        beside: tells what is wrong beside it; is given None where its files have errors.
        advice: whether to tell what is odd and no error.
    """
    # Who makes a workspace, or asks for help, compiles no mapping.
    from casecart.mapping import compile_mapping, look_at_mapping  # noqa: PLC0415 - as above
    from casecart.runtime.alone import faults_alone  # noqa: PLC0415 - as above
    from casecart.runtime.case_channel import compile_case_channels  # noqa: PLC0415 - as above
    from casecart.runtime.channel import compile_channels  # noqa: PLC0415 - as above
    from casecart.runtime.heard import heard_in  # noqa: PLC0415 - as above
    from casecart.runtime.item_channel import compile_item_channels  # noqa: PLC0415 - as above
    from casecart.runtime.master_channel import compile_master_channels  # noqa: PLC0415 - as above
    from casecart.runtime.writer import compile_writers  # noqa: PLC0415 - as above

    try:
        loaded = loading()
    except WorkspaceError as error:
        return Checked(findings=_in_order((*error.findings, *beside(None))), workspace=None)
    workspace = loaded.workspace
    found = [*loaded.findings, *(_of_paths(loaded) if advice else ()), *beside(workspace)]
    if workspace is None:
        told = {(finding.place, finding.code) for finding in found}
        found += (each for each in faults_alone(loaded) if (each.place, each.code) not in told)
        return Checked(findings=_in_order(tuple(found)), workspace=None)
    found += _of_certificates(workspace)
    # An engine that starts next takes what is compiled here.
    compiler = look_at_mapping if advice else compile_mapping
    everything: tuple[Callable[[Workspace], object], ...] = (
        partial(compile_channels, compiler=compiler),
        partial(compile_case_channels, compiler=compiler),
        partial(compile_master_channels, compiler=compiler),
        compile_item_channels,
        compile_writers,
        heard_in,
    )
    for compiled in everything:
        try:
            compiled(workspace)
        except WorkspaceError as error:
            found += error.findings
    broken = any(finding.severity == "error" for finding in found)
    if advice and not broken:
        found += _of_the_whole(workspace)
    return Checked(findings=_in_order(tuple(found)), workspace=None if broken else workspace)


def _of_paths(loaded: Loaded) -> Iterator[Finding]:
    """Warnings of each mapping by itself, and the messages that come to it."""
    from casecart.mapping import interpreted_paths  # noqa: PLC0415 - as in `checked`
    from casecart.mapping.hl7_dictionary import (  # noqa: PLC0415 - the same
        not_in_dictionary,
        not_in_dictionary_written,
        not_messages,
    )

    accepted: dict[str, list[str]] = {}
    for channel in loaded.channels.values():
        yield from not_messages(channel.accept)
        for named in channel.mappings:
            accepted.setdefault(str(named), []).extend(channel.accept)
    for name, mapping in loaded.mappings.items():
        yield from interpreted_paths(mapping)
        yield from not_in_dictionary(mapping, accepted.get(name, ()))
    for outgoing in loaded.outgoing.values():
        yield from not_in_dictionary_written(outgoing)


def _of_the_whole(workspace: Workspace) -> Iterator[Finding]:
    """Warnings of what nothing names or reaches, where all that names it can be read."""
    from casecart.runtime.heard import heard_in  # noqa: PLC0415 - as in `checked`
    from casecart.runtime.unreached import out_of_reach  # noqa: PLC0415 - the same
    from casecart.workspace.unused import unused  # noqa: PLC0415 - the same

    yield from unused(workspace, {listener for listener, _ in heard_in(workspace)})
    yield from out_of_reach(workspace)


def _beside(root: Path, workspace: Workspace | None, *, tests: bool) -> Iterator[Finding]:
    """What is wrong with what no engine reads: the schemas for editors, the tests beside the channels."""
    from casecart.commands.expected_fields import of_channels  # noqa: PLC0415 - as in `check`

    old = outdated(root)
    if old is not None:
        yield old
    if tests:
        yield from of_channels(root, workspace)[1]


def _of_certificates(workspace: Workspace) -> Iterator[Finding]:
    """What is to be said of the files that `tls` of a listener or destination names."""
    from casecart.runtime.tls import ClientTls, ServerTls, faults_of  # noqa: PLC0415 - as in `checked`

    engine = workspace.engine
    for component in (*engine.listeners.values(), *engine.destinations.values()):
        tls = getattr(component.settings, "tls", None)
        if isinstance(tls, ServerTls | ClientTls):
            yield from faults_of(tls, workspace.root, wall_clock() // 1_000_000)


def load_workspace(root: Path) -> Workspace:
    """A workspace that can run. Raises `NotAWorkspace`, and `WorkspaceError` with what `check` finds."""
    found = check(root, advice=False)
    if found.workspace is None:
        raise WorkspaceError(found.findings)
    return found.workspace


def read_workspace(root: Path) -> Workspace:
    """A workspace whose files and names are right; who compiles of it what is wanted finds what is wrong in that.

    Raises:
        NotAWorkspace: there is none.
        WorkspaceError: it has errors.
    """
    from casecart.runtime.revision import loaded  # noqa: PLC0415 - as in `checked`

    require_workspace(root)
    return loaded(root)


def make_workspace(root: Path) -> tuple[str, ...]:
    """Makes a new workspace with its secrets and an empty store; gives the files that were written, below it.

    Raises:
        WorkspaceError: the folder is not empty, or can't be written.
        StoreUnavailable: its store can't be made.
    """
    written = initialise(root)
    if outdated(root) is not None:  # others' packages bring kinds
        write_schemas(root)
    migrate(read_site(root).store_url)
    return written


def bring_up_store(root: Path, *, keep: bool = True) -> str:
    """Makes the tables of a workspace's store, or brings them up; gives where it is. Raises as `migrate` does."""
    site = read_site(root)
    migrate(site.store_url, keep=keep)
    return site.store_place


def _loaded(root: Path) -> Loaded:
    from casecart.runtime.revision import read_files  # noqa: PLC0415 - as in `checked`

    return read_files(root)


def _in_order(findings: tuple[Finding, ...]) -> tuple[Finding, ...]:
    return tuple(sorted(dict.fromkeys(findings), key=lambda finding: finding.place))
