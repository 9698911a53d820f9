"""A channel that notes where cases are: which messages it takes, and the mappings that make cases of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from casecart.canonical import Case
from casecart.mapping import compile_mapping
from casecart.runtime.claim import Claim
from casecart.workspace import Finding, WorkspaceError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from casecart.mapping import CompiledMapping, Compiler
    from casecart.workspace import Workspace
    from casecart.workspace.channel import Channel

__all__ = ["CaseChannel", "compile_case_channels"]


class CaseChannel:
    """One channel for cases, compiled.

    Attributes:
        name: of the channel.
        accepts: whether a message of this listener, peer and type is its own.
        mappings: that make cases of a message.
        rooms: whether one of them tells locations.
        revision: hash of the files it was made from.
    """

    def __init__(
        self, declaration: Channel, mappings: Sequence[CompiledMapping], revision: str, *, rooms: bool
    ) -> None:
        self.name, self.accepts = str(declaration.channel), Claim(declaration).accepts
        self.mappings, self.revision, self.rooms = mappings, revision, rooms


def compile_case_channels(workspace: Workspace, compiler: Compiler = compile_mapping) -> Mapping[str, CaseChannel]:
    """Every channel for cases, by name.

    Args:
        workspace: loaded without findings.
        compiler: of their mappings.

    Raises:
        WorkspaceError: with all that is wrong in their mappings.
    """
    findings: list[Finding] = []
    compiled: dict[str, CompiledMapping] = {}
    for name, declared in workspace.mappings.items():
        if declared.makes != "Case":
            continue
        if "case" not in declared.fields:
            words = "a case is known by its number: map the field case"
            findings.append(Finding(declared.at("fields"), "error", "missing-field", words))
        try:
            compiled[name] = compiler(declared, workspace.tables, document=Case)
        except WorkspaceError as error:
            findings += error.findings
    channels: dict[str, CaseChannel] = {}
    for name, declaration in workspace.channels.items():
        if declaration.note is None:
            continue
        for mapping in declaration.note.note:
            makes = workspace.mappings[mapping].makes if mapping in workspace.mappings else "Case"
            if makes != "Case":
                step = "map" if makes == "Usage" else "bring"
                words = f"mapping '{mapping}' makes {makes}, and here a Case is noted: name it in a step {step}"
                findings.append(Finding(mapping.place, "error", "step-order", words))
        mappings = [compiled[mapping] for mapping in declaration.note.note if mapping in compiled]
        rooms = any("location" in workspace.mappings[each].fields for each in declaration.note.note if each in compiled)
        channels[name] = CaseChannel(declaration, mappings, workspace.revision(name), rooms=rooms)
    if any(finding.severity == "error" for finding in findings):
        raise WorkspaceError(findings)
    return channels
