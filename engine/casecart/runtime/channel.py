"""A channel at work: which messages it accepts, how it maps them, and where each line goes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from casecart.canonical import Usage
from casecart.mapping import CompiledMapping, compile_mapping
from casecart.mapping.expression import ExpressionError, compile_expression, record_of
from casecart.rules import NEEDED
from casecart.workspace import Channel as Declaration
from casecart.workspace import (
    Finding,
    HoldStep,
    MapStep,
    OtherwiseStep,
    PostStep,
    RouteStep,
    Workspace,
    WorkspaceError,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

__all__ = ["Channel", "Decision", "compile_channels"]


@dataclass(frozen=True, slots=True)
class Decision:
    """What a route says of a line: the destination that gets a posting, or why a person must look at it."""

    to: str = ""
    kind: str = ""
    hold: str = ""


NOWHERE = Decision(hold="No entry of the channel's route fits this line")


class Channel:
    """One channel, compiled.

    Args:
        declaration: what the analyst wrote.
        mapping: its mapping, compiled.
        route: conditions and decisions, in order; a condition of None always holds.
        revision: hash of the files it was made from.
    """

    def __init__(
        self,
        declaration: Declaration,
        mapping: CompiledMapping,
        route: list[tuple[Callable[[Usage], bool] | None, Decision]],
        revision: str,
    ) -> None:
        self.name = str(declaration.channel)
        self.key = str(declaration.key)
        self.listeners = frozenset(map(str, declaration.sources))
        self.revision = revision
        self.map = mapping.run
        self._accept = frozenset(map(str, declaration.accept))
        self._route = route

    def accepts(self, message_type: str) -> bool:
        """Whether messages of this type, such as ``DFT^P03``, are the channel's."""
        return message_type in self._accept or message_type.partition("^")[0] + "^*" in self._accept

    def decide(self, usage: Usage) -> Decision:
        """Where a line goes: the first entry of the route that fits."""
        for condition, decision in self._route:
            if condition is None or condition(usage):
                return decision
        return NOWHERE


def _decision(step: PostStep | HoldStep) -> Decision:
    if isinstance(step, PostStep):
        return Decision(to=str(step.post.to), kind=step.post.kind)
    return Decision(hold=str(step.hold))


def _compile_route(step: RouteStep, findings: list[Finding]) -> list[tuple[Callable[[Usage], bool] | None, Decision]]:
    scope = {"usage": record_of(Usage)}
    route: list[tuple[Callable[[Usage], bool] | None, Decision]] = []
    for entry in step.route:
        if isinstance(entry, OtherwiseStep):
            route.append((None, _decision(entry.otherwise)))
            continue
        condition = None
        if entry.when is not None:
            try:
                condition = compile_expression(entry.when, scope).function
            except ExpressionError as error:
                findings += [
                    Finding(
                        entry.when.within(mistake.column),
                        "error",
                        "bad-expression",
                        mistake.message,
                        mistake.suggestion,
                    )
                    for mistake in error.mistakes
                ]
        route.append((condition, _decision(entry)))
    return route


def _not_postable(step: RouteStep, workspace: Workspace, mapping: str) -> list[Finding]:
    """A consumption can't be posted without some fields: without one, every line would be held."""
    declared = workspace.mappings.get(mapping)
    entries = [entry.otherwise if isinstance(entry, OtherwiseStep) else entry for entry in step.route]
    posts = [entry.post for entry in entries if isinstance(entry, PostStep)]
    missing = [field for field in NEEDED if declared is not None and field not in declared.fields]
    if not posts or not missing:
        return []
    gaps = " and no ".join(missing)
    words = f"a consumption is posted here, and mapping '{mapping}' gives no {gaps}: every line would be held"
    return [Finding(posts[0].place, "error", "missing-field", words)]


def compile_channels(workspace: Workspace) -> Mapping[str, Channel]:
    """Every channel of the workspace, by name.

    Raises:
        WorkspaceError: with all that is wrong in paths and conditions.
    """
    findings: list[Finding] = []
    mappings: dict[str, CompiledMapping] = {}
    for name, declared in workspace.mappings.items():
        try:
            mappings[name] = compile_mapping(declared, workspace.tables)
        except WorkspaceError as error:
            findings += error.findings
    channels: dict[str, Channel] = {}
    for name, declaration in workspace.channels.items():
        maps = [step for step in declaration.steps if isinstance(step, MapStep)]
        routes = [step for step in declaration.steps if isinstance(step, RouteStep)]
        if [type(step) for step in declaration.steps] != [MapStep, RouteStep]:
            words = "a channel has two steps for now: one `map`, then one `route` that says where its lines go"
            findings.append(Finding(declaration.at("steps"), "error", "step-order", words))
            continue
        route = _compile_route(routes[0], findings)
        findings += _not_postable(routes[0], workspace, maps[0].map)
        if maps[0].map in mappings:
            channels[name] = Channel(declaration, mappings[maps[0].map], route, workspace.revision(name))
    if any(finding.severity == "error" for finding in findings):
        raise WorkspaceError(findings)
    return channels
