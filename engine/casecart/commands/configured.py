"""What `config/engine.yaml` says, however the rest of the workspace stands: for questions to what it names."""

from __future__ import annotations

from typing import TYPE_CHECKING

from casecart.commands.site import CONFIGURATION, require_workspace
from casecart.runtime.kinds import installed_kinds
from casecart.workspace import Engine, Finding, WorkspaceError
from casecart.workspace.files import Folder, contents
from casecart.workspace.reader import read
from casecart.workspace.reading import Reading
from casecart.workspace.yaml import LARGEST, parse

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["read_engine"]


def read_engine(root: Path) -> Engine:
    """The engine's configuration.

    Raises:
        NotAWorkspace: there is none.
        WorkspaceError: it has errors.
    """
    require_workspace(root)
    findings: list[Finding] = []
    data = contents(Folder(root), CONFIGURATION, LARGEST, findings)
    node, mistakes = (None, []) if data is None else parse(data, CONFIGURATION)
    reading = Reading(installed_kinds(), [*findings, *mistakes])
    engine = None if node is None else read(Engine, node, reading)
    if engine is None or any(finding.severity == "error" for finding in reading.findings):
        raise WorkspaceError(reading.findings)
    return engine
