"""A channel at work: which messages it accepts, how it maps them, and where each line goes."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, cast

from casecart.canonical import Usage
from casecart.canonical.case import TOLD
from casecart.mapping import CompiledMapping, compile_mapping
from casecart.mapping.expression import ExpressionError, compile_expression, record_of
from casecart.rules import NEEDED, PolicyEntry, compile_resolve, compile_verify
from casecart.runtime.claim import Claim
from casecart.runtime.fill import Fill, faults_of_fill
from casecart.workspace import Channel as Declaration
from casecart.workspace import (
    FillStep,
    Finding,
    HoldStep,
    MapStep,
    OtherwiseStep,
    PostStep,
    ResolveStep,
    RouteStep,
    VerifyStep,
    Workspace,
    WorkspaceError,
)
from casecart.workspace.findings import listed

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Mapping, Sequence

    from casecart.canonical.consumption import Consumption
    from casecart.mapping import Compiler
    from casecart.master.catalogue import Catalogue
    from casecart.rules import Keys, Repeat, Trouble, VerifyFinding
    from casecart.workspace import Mapping as MappingDeclaration

    Resolve = Callable[[Usage, Catalogue, str | None], Usage | tuple[Trouble, ...]]
    Verify = Callable[[Usage, Catalogue, int, Collection[str]], Sequence[VerifyFinding]]

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
        fill: takes what a line lacks from what is known of its case, if the channel has that step.
        resolve: finds items in the master data, if it has that one.
        verify: looks whether they may have been used, if it has that one.
        declared: the mapping as the analyst wrote it, for what a statement means.
        revision: hash of the files it was made from.
    """

    def __init__(
        self,
        declaration: Declaration,
        mapping: CompiledMapping,
        route: list[tuple[Callable[[Usage], bool] | None, Decision]],
        *,
        fill: Fill | None,
        resolve: Resolve | None,
        verify: Verify | None,
        declared: MappingDeclaration,
        revision: str,
    ) -> None:
        self.name = str(declaration.channel)
        self.key, self.book = str(declaration.key), declaration.book
        claim = Claim(declaration)
        self.accepts, self.wants = claim.accepts, claim.wants
        self.revision = revision
        self.map, self.fill, self.resolve, self.verify = mapping.run, fill, resolve, verify
        self.hooked = declaration.hook is not None
        self.by_serial = declaration.line == "serial"
        self.replaces = declared.says == "state"
        self.repeat: Repeat = declared.repeat
        self._route = route

    def order_key(self, keys: Keys, case_key: bytes, document: Consumption) -> bytes:
        """What a posting goes out in order with: its case, or what else the channel's `key` names."""
        if self.key == "case":
            return case_key
        return keys.order(document.facility, self.key, str(getattr(document, self.key, None) or ""))

    def entry_of(self, decision: Decision) -> int:
        """Which entry of the route a decision is of, counted from 1; 0: none fitted."""
        return next((number for number, (_, each) in enumerate(self._route, 1) if each is decision), 0)

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


@lru_cache(maxsize=4096)  # many channels ask the same, and each is looked at before it is made
def _condition(text: str) -> Callable[[Usage], bool]:
    """Raises `ExpressionError`."""
    return compile_expression(text, {"usage": record_of(Usage)}).function


def _compile_route(step: RouteStep, findings: list[Finding]) -> list[tuple[Callable[[Usage], bool] | None, Decision]]:
    route: list[tuple[Callable[[Usage], bool] | None, Decision]] = []
    for entry in step.route:
        if isinstance(entry, OtherwiseStep):
            route.append((None, _decision(entry.otherwise)))
            continue
        condition = None
        if entry.when is not None:
            try:
                condition = _condition(str(entry.when))
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


def _not_usage(step: MapStep, workspace: Workspace) -> list[Finding]:
    """Lines that are posted are usage."""
    declared = workspace.mappings.get(step.map)
    if declared is None or declared.makes == "Usage":
        return []
    other = "note" if declared.makes == "Case" else "bring"
    words = f"mapping '{step.map}' makes {declared.makes}: name it in a step {other}, or one here that makes Usage"
    return [Finding(step.map.place, "error", "step-order", words)]


def _not_read(declaration: Declaration, step: MapStep, workspace: Workspace) -> Iterator[Finding]:
    """What the channel takes is what its mapping reads: HL7 v2, or FHIR's resources of one type."""
    declared = workspace.mappings.get(step.map)
    if declared is None:
        return
    fhir = declared.reads.format == "fhir"
    resource = declared.each.split(".")[0].split("[")[0].strip() if fhir else ""
    for accepted in declaration.accept:
        if "^" in accepted if fhir else "^" not in accepted:
            kind = "FHIR" if fhir else "HL7 v2"
            words = f"mapping '{step.map}' reads {kind}, and {accepted} is a message of another format"
            yield Finding(accepted.place, "error", "bad-value", words)
        elif fhir and accepted not in (resource, "Bundle"):
            words = f"mapping '{step.map}' has lines for {resource} only: give {accepted} a channel of its own"
            yield Finding(accepted.place, "error", "bad-value", words)


def _line_rule(declaration: Declaration, step: MapStep, workspace: Workspace) -> Iterator[Finding]:
    """A line that is named after its serial number has one, and is let go of when it gets another one."""
    declared = workspace.mappings.get(step.map)
    if declared is None or declaration.line != "serial":
        return
    place = declaration.at("line")
    if "serial" not in declared.fields:
        words = f"lines are named after their serial numbers, and mapping '{step.map}' gives no serial"
        yield Finding(place, "error", "missing-field", words)
    if declared.says == "state" and declared.takes_back is None:
        words = (
            f"mapping '{step.map}' says: state without takes_back: a line whose serial number is corrected would be "
            "posted twice"
        )
        yield Finding(place, "error", "bad-value", words)


def _compile_resolve(step: ResolveStep) -> Resolve:
    wanted = step.resolve
    return compile_resolve(
        item=None if wanted.item is None else wanted.item.order,
        location=None if wanted.location is None else wanted.location.sources,
        supplier=None if wanted.supplier is None else wanted.supplier.sources,
        cost_center=None if wanted.cost_center is None else wanted.cost_center.sources,
        gl_account=None if wanted.gl_account is None else wanted.gl_account.sources,
    )


def _compile_verify(step: VerifyStep) -> Verify:
    policy = [
        PolicyEntry(entry.finding, None if entry.location is None else str(entry.location), entry.then)
        for entry in step.policy
    ]
    return compile_verify(checks=step.verify, policy=policy)


def _not_told(step: ResolveStep, workspace: Workspace, mapping: str, filled: Collection[str]) -> Iterator[Finding]:
    """What is to be found must be told by something."""
    declared = workspace.mappings.get(mapping)
    if declared is None:
        return
    wanted = step.resolve
    needs = {"item": wanted.item.order if wanted.item is not None else None}
    for name in ("location", "supplier", "cost_center", "gl_account"):
        block = getattr(wanted, name)
        needs[name] = None if block is None else block.sources
    for name, fields in needs.items():
        if (
            fields is None
            or (name == "supplier" and "item" in fields)
            or any(each in declared.fields or each in filled for each in fields)
        ):
            continue
        words = f"the {name} is to be found by {listed(fields)}, and mapping '{mapping}' gives none of that"
        yield Finding(wanted.at(name), "error", "missing-field", words)


def compile_channels(workspace: Workspace, compiler: Compiler = compile_mapping) -> Mapping[str, Channel]:
    """Every channel of the workspace, by name.

    Args:
        workspace: loaded without findings.
        compiler: of their mappings.

    Raises:
        WorkspaceError: with all that is wrong in paths and conditions.
    """
    findings: list[Finding] = []
    mappings: dict[str, CompiledMapping] = {}
    for name, declared in workspace.mappings.items():
        if declared.makes != "Usage":
            continue
        try:
            mappings[name] = compiler(declared, workspace.tables)
        except WorkspaceError as error:
            findings += error.findings
    channels: dict[str, Channel] = {}
    for name, declaration in workspace.channels.items():
        if any((declaration.bring, declaration.note, declaration.send)):
            continue
        steps = {type(step): step for step in declaration.steps}
        mapping, route = cast("MapStep", steps[MapStep]), cast("RouteStep", steps[RouteStep])
        resolve, verify = cast("ResolveStep | None", steps.get(ResolveStep)), steps.get(VerifyStep)
        fill = cast("FillStep | None", steps.get(FillStep))
        filled = {} if fill is None else {name: getattr(fill.fill, name) for name in TOLD}
        compiled_route = _compile_route(route, findings)
        findings += _not_usage(mapping, workspace)
        findings += _not_read(declaration, mapping, workspace)
        findings += _line_rule(declaration, mapping, workspace)
        findings += _not_postable(route, workspace, mapping.map)
        if resolve is not None:
            findings += _not_told(resolve, workspace, mapping.map, [name for name in TOLD if filled.get(name)])
        if fill is not None:
            findings += faults_of_fill(fill, declaration, workspace)
        if mapping.map in mappings:
            channels[name] = Channel(
                declaration,
                mappings[mapping.map],
                compiled_route,
                fill=None if fill is None else Fill(filled),
                resolve=None if resolve is None else _compile_resolve(resolve),
                verify=None if verify is None else _compile_verify(cast("VerifyStep", verify)),
                declared=workspace.mappings[mapping.map],
                revision=workspace.revision(name),
            )
    if any(finding.severity == "error" for finding in findings):
        raise WorkspaceError(findings)
    return channels
