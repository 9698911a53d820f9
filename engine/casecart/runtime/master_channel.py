"""A channel that brings master data in: which messages it takes, and the tables that its mappings make lines of."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from casecart.mapping import compile_mapping
from casecart.master.record import document_of
from casecart.master.tables import TABLES
from casecart.runtime.claim import Claim
from casecart.workspace import Finding, WorkspaceError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from casecart.mapping import CompiledMapping, Compiler
    from casecart.master.tables import Table
    from casecart.workspace import Workspace
    from casecart.workspace.bring import BringStep
    from casecart.workspace.channel import Channel

CANONICAL: Final = {"Usage": "map", "Case": "note"}
"""What a mapping makes that is no master data, and the step that names such a mapping."""

__all__ = ["MasterChannel", "compile_master_channels"]


class MasterChannel:
    """One channel for master data, compiled.

    Attributes:
        name: of the channel.
        source: the system whose word it is.
        accepts: whether a message of this listener, peer and type is its own.
        tables: what it makes lines of, and by what.
        revision: hash of the files it was made from.
    """

    def __init__(
        self,
        declaration: Channel,
        step: BringStep,
        tables: Sequence[tuple[Table, CompiledMapping]],
        revision: str,
    ) -> None:
        self.name, self.source = str(declaration.channel), str(step.bring.source)
        self.accepts = Claim(declaration).accepts
        self.tables, self.revision = tables, revision


def compile_master_channels(workspace: Workspace, compiler: Compiler = compile_mapping) -> Mapping[str, MasterChannel]:
    """Every channel for master data, by name.

    Args:
        workspace: loaded without findings.
        compiler: of their mappings.

    Raises:
        WorkspaceError: with all that is wrong in their mappings.
    """
    findings: list[Finding] = []
    compiled: dict[str, tuple[Table, CompiledMapping]] = {}
    for name, declared in workspace.mappings.items():
        if declared.makes in CANONICAL:
            continue
        table = TABLES[declared.makes]
        try:
            compiled[name] = table, compiler(declared, workspace.tables, document=document_of(table))
        except WorkspaceError as error:
            findings += error.findings
    channels: dict[str, MasterChannel] = {}
    for name, declaration in workspace.channels.items():
        step = declaration.bring
        if step is None:
            continue
        for mapping in step.bring.mappings:
            declared_mapping = workspace.mappings.get(mapping)
            if declared_mapping is not None and declared_mapping.makes in CANONICAL:
                makes = declared_mapping.makes
                words = (
                    f"mapping '{mapping}' makes {makes}, which is no master data: name it in a step {CANONICAL[makes]}"
                )
                findings.append(Finding(mapping.place, "error", "step-order", words))
        tables = [compiled[mapping] for mapping in step.bring.mappings if mapping in compiled]
        channels[name] = MasterChannel(declaration, step, tables, workspace.revision(name))
    if any(finding.severity == "error" for finding in findings):
        raise WorkspaceError(findings)
    return channels
