"""A new channel with its test: from a listener, by a mapping, to a destination."""

from __future__ import annotations

import re
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from casecart.commands.new_files import first_line, good_name, put, sound
from casecart.commands.refusal import Refusal
from casecart.commands.sample_reading import read_sample
from casecart.formats.hl7v2.file import messages_of
from casecart.workspace import reference
from casecart.workspace.findings import did_you_mean, listed, shown

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable
    from pathlib import Path

    from casecart.workspace import Finding, Workspace
    from casecart.workspace import Mapping as MappingFile

__all__ = ["Begun", "add_channel"]

_SAMPLES: Final = ("samples/hl7v2", "samples/fhir")
_MSH_FIELDS: Final = ("msh_3", "msh_4", "msh_5", "msh_6")
_TYPES: Final = {"FT1": "DFT^P03", "SCH": "SIU^*", "MFE": "MFN^M16"}

_CHANNEL: Final = """\
channel: {name}
about: {about}
owner: {{business: Supply chain, technical: Integration}}
from: [{source}]
{peers}accept: [{accept}]
"""
_LINES: Final = """\
steps:
  - map: {mapping}
# - resolve:                          # with the master data: which item, from where, for whose account
#     item: {{}}
#     location: {{from: [department]}}
#     cost_center: {{from: [department]}}
# - verify: [lot, serial, expiry, recall]
  - route:
      - post: {{to: {to}, as: consumption}}
retain: {{bodies: 30d}}
"""
_CASES: Final = """\
steps:
  - note: [{mapping}]
retain: {{bodies: 30d}}
"""
_MASTER: Final = """\
steps:
  - bring: {{source: erp, mappings: [{mapping}]}}   # whose word it is: see config/ownership.yaml
retain: {{bodies: 90d}}
"""


class Begun(NamedTuple):
    """What was written.

    Attributes:
        files: their paths.
        sample: the file of the workspace that the test sends; empty: there is no test.
        source: the listener.
        warnings: what `check` says.
    """

    files: tuple[str, ...]
    sample: str
    source: str
    warnings: tuple[Finding, ...]


class _Sample(NamedTuple):
    file: str
    body: bytes


def add_channel(
    root: Path,
    name: str,
    *,
    source: str | None,
    peers: Collection[str],
    accept: Collection[str],
    mapping: str | None,
    to: str | None,
    sample: Path | None,
) -> Begun:
    """A channel, and a test of it.

    Args:
        root: the workspace.
        name: its own.
        source: the listener; None: the one there is for such messages.
        peers: whose messages it takes; empty: everybody's.
        accept: message types; empty: what the mapping reads, where that is known, or the sample is.
        mapping: by name; None: the one with the channel's name.
        to: the destination; None: the first.
        sample: a message for its test, a file below the workspace; None: one that is shipped.

    Raises:
        NotAWorkspace: there is none.
        WorkspaceError: the workspace has errors, or would have.
        Refusal: what was asked for can't be.
    """
    good_name(name)
    workspace = sound(root)
    declared = workspace.mappings[_one("mapping", mapping or name, workspace.mappings, "--map")]
    fhir = declared.reads.format == "fhir"
    kinds = ("http", "fhir") if fhir else ("mllp", "file")
    fitting = [known for known, it in workspace.engine.listeners.items() if it.kind in kinds]
    if source is None and len(fitting) == 1:
        source = fitting[0]
    if source is None:
        words = f"say by --from from which listener: there {'is' if len(fitting) == 1 else 'are'} {listed(fitting)}"
        raise Refusal("bad-value", words if fitting else "there is no listener for such messages: make one first")
    source = _one("listener", source, workspace.engine.listeners, "--from")
    settings: Any = workspace.engine.listeners[source].settings
    known = getattr(settings, "peers", None) or {}
    for peer in peers:
        _one(f"peer of {source}", peer, known, "--peer")
    found = _sample(root, workspace, declared, sample)
    types = tuple(accept) or _types(declared, found, given=sample is not None)
    file = f"channels/{name}.yaml"
    text = _text(workspace, declared, name, source=source, peers=peers, accept=types, to=to)
    new = {file: first_line(root, "channel", file) + text}
    found = found or _made_up(declared, types)
    sent = ""
    if found is not None:
        sender = next(iter(peers or known), None)
        body = found.body if sender is None or fhir else _from(found.body, known[sender])
        sent = found.file
        if not sent or body != found.body:
            sent = f"samples/{'fhir' if fhir else 'hl7v2'}/{name}.{'json' if fhir else 'hl7'}"
            new[sent] = body.decode("utf-8", "surrogateescape")
        test = f"channels/{name}.test.yaml"
        count = read_sample(declared, workspace.tables, body)
        text = _test(declared, sent, 0 if count is None else count.documents, source, sender if fhir else None)
        new[test] = first_line(root, "tests", test) + text
    warnings = put(root, new)
    return Begun(tuple(new), sent, source, warnings)


def _one(noun: str, name: str, known: Iterable[str], option: str) -> str:
    names = [str(each) for each in known]
    if name in names:
        return name
    there = f"there {'are' if len(names) > 1 else 'is only'} {listed(sorted(names))}" if names else "there is none"
    words = f"no {noun} has the name {shown(name)} ({option}); {there}"
    raise Refusal("not-found", words, did_you_mean(name, names))


def _text(
    workspace: Workspace,
    mapping: MappingFile,
    name: str,
    *,
    source: str,
    peers: Collection[str],
    accept: Collection[str],
    to: str | None,
) -> str:
    about, steps = {
        "Usage": ("What was used on patients becomes stock movements.", _LINES),
        "Case": ("What is told of cases says in which department and room they are.", _CASES),
    }.get(mapping.makes, ("What is told of the master data becomes items, suppliers and their numbers.", _MASTER))
    destination = ""
    if steps is _LINES:
        takes = list(workspace.engine.destinations)
        if to is None and not takes:
            raise Refusal("not-found", "there is no destination: casecart new destination NAME --kind file makes one")
        destination = _one("destination", to or str(takes[0]), takes, "--to")
    elif to is not None:
        raise Refusal("bad-value", f"{mapping.mapping} makes {mapping.makes}, which is not posted: leave --to out")
    head = _CHANNEL.format(
        name=name,
        about=about,
        source=source,
        peers=f"peers: [{', '.join(peers)}]\n" if peers else "",
        accept=", ".join(accept),
    )
    return head + steps.format(mapping=mapping.mapping, to=destination)


def _types(mapping: MappingFile, sample: _Sample | None, *, given: bool) -> tuple[str, ...]:
    """What such messages are: by the mapping, or the sample, which goes first where somebody gave it."""
    if mapping.reads.format == "fhir":
        return (re.split(r"[.\[(]", mapping.each)[0],)
    if mapping.each in _TYPES and not given:
        return (_TYPES[mapping.each],)
    if sample is not None:
        message = messages_of(sample.body)[0]
        field = message.split(b"\r")[0].split(message[3:4])
        parts = field[8].decode("ascii", "replace").split("^") if len(field) > 8 else []  # noqa: PLR2004 - MSH-9
        if len(parts) > 1:
            return (f"{parts[0]}^{parts[1]}",)
    raise Refusal("bad-value", "say by --accept which messages it takes, such as --accept 'DFT^P03'")


def _sample(root: Path, workspace: Workspace, mapping: MappingFile, given: Path | None) -> _Sample | None:
    """What its test sends: a message of which the mapping makes something."""
    if given is not None:
        path = given.resolve()
        if not path.is_relative_to(root.resolve()):
            words = "the sample is not in the workspace; copy it into samples/, if it is made up: tests are kept"
            raise Refusal("bad-value", words)
        try:
            body = path.read_bytes()
        except OSError as error:
            words = f"the sample can't be read ({(error.strerror or 'unknown reason').lower()})"
            raise Refusal("bad-value", words) from error
        if read_sample(mapping, workspace.tables, body) is None:
            raise Refusal("bad-value", f"{mapping.mapping} can't read the sample: it is no message of its format")
        return _Sample(path.relative_to(root.resolve()).as_posix(), body)
    best: tuple[int, _Sample] | None = None
    for folder in _SAMPLES:
        for path in sorted((reference.root() / folder).iterdir(), key=lambda each: each.stem):
            body = path.read_bytes()
            found = read_sample(mapping, workspace.tables, body)
            if found is None or found.exceptions or not found.documents:
                continue
            worth = 1 + len(found.fields) * (not found.takes_back)
            if worth > (best[0] if best else 0):
                own = root / folder / path.name
                same = False
                with suppress(OSError):
                    same = own.read_bytes() == body
                best = (worth, _Sample(f"{folder}/{path.name}" if same else "", body))
    return None if best is None else best[1]


def _made_up(mapping: MappingFile, types: Collection[str]) -> _Sample | None:
    """A message for a segment of which none is shipped; of FHIR none can be made up that is valid."""
    if mapping.reads.format == "fhir" or not re.fullmatch(r"[A-Z][A-Z0-9]{2}", mapping.each):
        return None
    kind, _, event = next(iter(types)).partition("^")
    kind = f"{kind}^{'P03' if event == '*' else event}"
    head = f"MSH|^~\\&|SENDER|SITE|CASECART||20261103093012||{kind}|TEST-000001|P|{mapping.reads.version or '2.5.1'}"
    visit = f"PV1|1|I|OR-MAIN{'|' * 16}V1"
    return _Sample("", "\r".join([head, visit, f"{mapping.each}|1|ITEM-1", ""]).encode())


def _test(mapping: MappingFile, sent: str, count: int, source: str, peer: str | None) -> str:
    """A test by the message in the file `sent`, of which so many documents are made."""
    lines = [f"- test: {_sentence(mapping)}", "  input:", f"    message: ../{sent}", f"    listener: {source}"]
    if peer is not None:
        lines.append(f"    peer: {peer}")
    if mapping.reads.version is not None and mapping.reads.format == "fhir":
        lines.append(f"    version: {mapping.reads.version}")
    lines += ["  expect:", "    outcome: processed"]
    if mapping.makes == "Usage" and count:  # none is made of a sample whose codes no table has yet
        lines.append(
            f"    counts: {{documents: {count}, postings: {count}}}   # say which: documents: [...], postings: [...]"
        )
    if mapping.makes in {"Usage", "Case"}:  # master data need others, which a test has by `fixtures`
        lines.append("    exceptions: []                    # nothing waits for a person")
    return "\n".join(lines) + "\n"


def _sentence(mapping: MappingFile) -> str:
    return {
        "Usage": "what was used is posted, and nothing waits for a person",
        "Case": "it is known where the case is",
    }.get(mapping.makes, "what is told is taken")


def _from(body: bytes, peer: object) -> bytes:
    """The message as this peer would send it: MSH-3 to MSH-6 as it is known by."""
    match = getattr(peer, "match", None)
    if match is None:
        return body
    first, separator, rest = body.partition(b"\r")
    fields = first.split(body[3:4])
    for number, attribute in enumerate(_MSH_FIELDS, 2):
        said = getattr(match, attribute, None)
        if said is not None and number < len(fields):
            fields[number] = str(said).encode()
    return body[3:4].join(fields) + separator + rest
