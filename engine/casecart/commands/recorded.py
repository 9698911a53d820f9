"""What came of messages, as the text of a test that expects it."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from datetime import date
from decimal import Decimal
from typing import TYPE_CHECKING, Final

from casecart.commands.comparison import Opened

if TYPE_CHECKING:
    from collections.abc import Iterator

    from casecart.commands.came import Came
    from casecart.commands.comparison import Value

__all__ = ["entry_text", "quoted", "summary", "words_of"]

# What an analyst would look at; the rest follows from it, or is of this one run: keys, tokens, the message's own ids.
_DOCUMENT: Final = (
    *("action", "disposition", "item", "ehr_item", "di", "quantity", "unit", "lot", "serial", "expiry", "used_on"),
    *("charge_code", "department", "location", "cost_center", "change", "number", "name", "description", "status"),
)
_POSTING: Final = (
    *("action", "item", "ehr_item", "quantity", "unit", "lot", "serial", "expiry", "used_on"),
    *("department", "location", "cost_center", "charge_code", "revision"),
)
_EXCEPTION: Final = ("code", "place", "field")
_FILTERED: Final = ("place",)
# Values that are the workspace's own words, and not the message's.
_OURS: Final = frozenset(
    {*("to", "as", "action", "disposition", "item", "unit", "department", "location", "cost_center", "change")}
    | {*("code", "place", "field", "status", "number", "name", "description", "kind")}
)
_PLAIN: Final = re.compile(r"[A-Za-z][A-Za-z0-9]*(?:[-_][A-Za-z0-9]+)*|\d{4}-\d\d-\d\d")
_RESERVED: Final = frozenset({"null", "true", "false", "yes", "no", "on", "off", "y", "n"})
_WORD: Final = re.compile(r"\w+")


def quoted(value: str) -> str:
    """A text as YAML has it: plain where nobody could take it for something else."""
    plain = _PLAIN.fullmatch(value) and value.casefold() not in _RESERVED
    return value if plain else json.dumps(value, ensure_ascii=False)


def summary(came: Came) -> dict[str, object]:
    """What de-identification may not change: how many of what, and why lines are held."""
    codes = sorted(str(each["code"]) for each in came.exceptions if isinstance(each, Mapping))
    return {"counts": came.counts, "outcomes": came.outcomes, "exceptions": codes}


def entry_text(name: str, way: Mapping[str, str], came: Came, indent: str) -> str:
    """An entry of a file of tests.

    Args:
        name: of the test.
        way: `message`, the file, and perhaps `listener`, `peer`, `version`.
        came: what is expected.
        indent: of the list that it is added to.
    """
    if len(way) == 1:
        told = quoted(way["message"])
    else:
        told = f"{{{', '.join(f'{key}: {quoted(value)}' for key, value in way.items())}}}"
    lines = [f"- test: {quoted(name)}", f"  input: {told}", "  expect:"]
    lines += [f"    {line}" for line in _expected(came)]
    return "".join(f"{indent}{line}\n" for line in lines)


def _expected(came: Came) -> Iterator[str]:
    yield f"acknowledgement: {_one_or_each(came.acknowledgements)}"
    if set(came.outcomes) != {"processed"}:
        yield f"outcome: {_one_or_each(came.outcomes)}"
    yield from _list("documents", [_document(each) for each in came.documents])
    if came.filtered:
        yield from _list("filtered", [_flow(each, _FILTERED) for each in came.filtered])
    yield from _list("postings", [_flow(each, ("to", "as", *_POSTING)) for each in came.postings])
    yield from _list("exceptions", [_flow(each, _EXCEPTION) for each in came.exceptions])


def _one_or_each(values: Sequence[str]) -> str:
    each = list(map(quoted, values))
    each = [value if not value.isdecimal() else f'"{value}"' for value in each]
    return each[0] if len(set(each)) == 1 else f"[{', '.join(each)}]"


def _list(name: str, entries: Sequence[str]) -> Iterator[str]:
    if not entries:
        yield f"{name}: []"
        return
    yield f"{name}:"
    for entry in entries:
        yield f"  - {entry}"


def _document(document: Value) -> str:
    if not isinstance(document, Mapping):
        return "..."
    ((kind, fields),) = document.items()
    return f"{kind}: {_flow(fields, _DOCUMENT)}"


def _flow(fields: Value, names: Sequence[str]) -> str:
    if not isinstance(fields, Mapping):
        return "..."
    told = {name: _scalar(fields.get(name)) for name in names}
    return f"{{{', '.join(f'{name}: {value}' for name, value in told.items() if value)}}}"


def _scalar(value: Value) -> str:
    """Empty for what is not there, and for what is no single value."""
    match value:
        case bool():
            return "yes" if value else "no"
        case Opened(text=text):
            return quoted(text)
        case str():
            return quoted(value) if value else ""
        case date():
            return value.isoformat()
        case Decimal() | int():
            return json.dumps(f"{value:f}" if isinstance(value, Decimal) else str(value))
        case _:
            return ""


def words_of(came: Came) -> frozenset[str]:
    """The words, in small letters, that a test has of itself: names of fields, and values that are the workspace's."""
    found = {"test", "input", "expect", "message", "acknowledgement", "outcome", "documents", "postings", "exceptions"}
    found |= {"filtered", "processed", "recorded", "listener", "peer", "version", "samples", "fixtures", "master"}
    for each in (*came.documents, *came.postings, *came.exceptions, *came.filtered, *came.outcomes):
        found |= set(_own(each))
    return frozenset(found)


def _own(value: Value, name: str = "") -> Iterator[str]:
    if isinstance(value, Mapping):
        for key, each in value.items():
            yield from _WORD.findall(key.casefold())
            yield from _own(each, key)
    elif isinstance(value, str) and (name in _OURS or not name):
        yield value.casefold()
        yield from _WORD.findall(value.casefold())
