"""Reads nodes as their declarations say: a typed, frozen instance, and every finding in one pass."""

from __future__ import annotations

import re
from dataclasses import replace
from types import MappingProxyType
from typing import Any, TypeVar, cast

from casecart.workspace.declaration import NAME, Declared, ExactlyOne, Key, Places
from casecart.workspace.findings import Place, did_you_mean, listed, shown
from casecart.workspace.leaf import choice, scalar, secret
from casecart.workspace.node import BrokenNode, ListNode, MapNode, Node, TextNode
from casecart.workspace.reading import FAILED, NO_KINDS, Failed, Kinds, Reading
from casecart.workspace.shape import (
    AnyOf,
    Anything,
    Choice,
    Component,
    Entries,
    Items,
    Kind,
    Record,
    Scalar,
    SecretReference,
    Shape,
    Tree,
)
from casecart.workspace.text import Text
from casecart.workspace.yaml import parse

__all__ = ["as_tree", "read", "written"]

_D = TypeVar("_D", bound=Declared)
_PATH_LIKE = re.compile(r"(message:)?[A-Za-z][\w-]*-\d+[\w.\[\]*-]*")
_ANY_NAME = "a name of letters, digits, '-', '_' and '.' that begins with a letter or digit"


def read(declaration: type[_D], node: Node, reading: Reading) -> _D | None:
    """The declared instance that a node describes, or None; then the reading's findings say why.

    Keys that do not exist are findings, and hinder no instance: what stands between the others is checked too.
    """
    value = _record(declaration, node, reading)
    return None if isinstance(value, Failed) else cast("_D", value)


def written(key: Key, text: str, kinds: Kinds = NO_KINDS) -> object:
    """The value that a default or an example stands for.

    Raises:
        TypeError: the declaration's author wrote what the key's own type does not read.
    """
    node, findings = parse(text.encode() or b"''", f"<{key.name}>")
    reading = Reading(kinds, findings)
    value = FAILED if node is None else _value(key.shape, node, key, reading)
    if reading.findings or isinstance(value, Failed):
        raise TypeError(f"{key.name}: {text!r} is not a value of this key: {[str(f) for f in reading.findings]}")
    return value


def _value(  # noqa: C901, PLR0911 - one case, and one return, a shape
    shape: Shape, node: Node, key: Key, reading: Reading
) -> object:
    if isinstance(node, BrokenNode):
        return FAILED
    if isinstance(shape, Anything):
        return as_tree(node)
    if isinstance(node, TextNode) and node.empty:
        message = f"{shown(key.name)} has no value; write one, or remove the key"
        if node.text:
            message += f"; if the text {node.text} is meant, put it in quotes"
        return reading.error(node.place, "empty-value", message)
    match shape:
        case Scalar(type):
            return scalar(type, node, key, reading)
        case Choice(words):
            return choice(words, node, key, reading)
        case Items(item):
            return _items(item, node, key, reading)
        case Entries(value):
            return _entries(value, node, key, reading)
        case Record(declaration):
            return _record(declaration, node, reading)
        case AnyOf(declarations):
            return _any_of(declarations, node, key.called, reading)
        case SecretReference():
            return secret(node, key, reading)
        case Kind():
            return _component(node, key, reading)


def _items(item: Shape, node: Node, key: Key, reading: Reading) -> object:
    if isinstance(node, ListNode):
        values = [_value(item, each, key, reading) for each in node.items]
        if len(values) < key.at_least:
            return reading.error(node.place, "too-few", _too_few(key, len(values)))
        return FAILED if FAILED in values else tuple(values)
    if key.scalar and (isinstance(node, TextNode) or isinstance(item, Scalar | SecretReference)):
        value = _value(item, node, key, reading)
        return value if isinstance(value, Failed) else (value,)
    return reading.error(
        node.place, "expected-list", f"{shown(key.name)} is a list: [a, b], or a line '- ...' for each"
    )


def as_tree(node: Node) -> Tree | Failed:
    """What stands there, for who knows what it means."""
    match node:
        case BrokenNode():
            return FAILED
        case TextNode():
            return Tree(None if node.empty else Text(node.text, node.place, plain=node.plain), node.place)
        case ListNode():
            items = [as_tree(each) for each in node.items]
            good = tuple(each for each in items if isinstance(each, Tree))
            return Tree(good, node.place) if len(good) == len(items) else FAILED
        case MapNode():
            values = {Text(each.key.text, each.key.place): as_tree(each.value) for each in node.entries}
            known = {name: value for name, value in values.items() if isinstance(value, Tree)}
            whole = len(known) == len(values) and not node.partial
            return Tree(MappingProxyType(known), node.place) if whole else FAILED


def _entries(shape: Shape, node: Node, key: Key, reading: Reading) -> object:
    if not isinstance(node, MapNode):
        return reading.error(node.place, "expected-keys", f"{shown(key.name)} is a block of names, each with its value")
    values: dict[Text, Any] = {}
    for entry in node.entries:
        name = Text(entry.key.text, entry.key.place)
        good = _entry_name(name, key, reading)
        value = _value(shape, entry.value, replace(key, name=str(name), entry_names=None), reading)
        values[name] = value if good else FAILED
    if len(values) < key.at_least and not node.partial:
        return reading.error(node.place, "too-few", _too_few(key, len(values)))
    return FAILED if FAILED in values.values() else MappingProxyType(values)


def _too_few(key: Key, count: int) -> str:
    return f"{shown(key.name)} {f'has {count}' if count else 'is empty'}, and needs at least {key.at_least}"


def _entry_name(name: Text, key: Key, reading: Reading) -> bool:
    pattern = key.entry_pattern or (NAME if key.defines else None)
    if key.defines:
        reading.defined.setdefault(key.defines, set()).add(name)
    if key.entry_names:
        reading.used.append((key.entry_names, name))
    if pattern is None or re.fullmatch(pattern, name) is not None:
        return True
    message = f"{shown(name)} cannot be a name in {shown(key.name)}; write {key.entry_form or _ANY_NAME}"
    reading.error(name.place, "bad-name", message)
    return False


def _record(declaration: type[Declared], node: Node, reading: Reading) -> Declared | Failed:
    said = declaration.__declaration__
    if isinstance(node, TextNode) and said.shorthand is not None:
        key = next(key for key in declaration.__keys__ if key.name == said.shorthand)
        value = _value(key.shape, node, key, reading)
        read = {} if isinstance(value, Failed) else {key.attribute: value}
        return _built(declaration, read, Places(node.place, {key.name: node.place}), reading) if read else FAILED
    if not isinstance(node, MapNode):
        message = f"{shown(said.name)} is a block of keys and values"
        if isinstance(node, TextNode) and re.match(r"\w+:\S", node.text):
            message += "; a space is missing behind the colon"
        return FAILED if isinstance(node, BrokenNode) else reading.error(node.place, "expected-keys", message)
    return _Block(declaration, node, reading).instance()


def _built(declaration: type[Declared], values: dict[str, Any], places: Places, reading: Reading) -> Declared | Failed:
    instance = declaration(**values)
    object.__setattr__(instance, "_places", places)  # frozen for all others
    findings = list(instance.check())
    reading.findings.extend(findings)
    return FAILED if any(finding.severity == "error" for finding in findings) else instance


class _Block:
    """Reads a block as one declaration."""

    def __init__(self, declaration: type[Declared], node: MapNode, reading: Reading) -> None:
        self._declaration = declaration
        self._said = declaration.__declaration__
        self._node = node
        self._reading = reading
        self._known = {key.name: key for key in declaration.__keys__}
        self._given: set[str] = set()
        self._meant: set[str] = set()
        self._values: dict[str, Any] = {}
        self._places: dict[str, Place] = {}

    def instance(self) -> Declared | Failed:
        for entry in self._node.entries:
            key = self._known.get(entry.key.text)
            if key is None:
                self._unknown(entry.key, entry.value)
                continue
            self._given.add(key.name)
            self._places[key.name] = entry.value.place
            value = _value(key.shape, entry.value, key, self._reading)
            if not isinstance(value, Failed):
                self._values[key.attribute] = value
        if self._node.partial:
            return FAILED
        self._missing()
        held = [self._holds(rule) for rule in self._said.rules]
        needed = {key.attribute for key in self._known.values() if key.required or key.name in self._given}
        if not all(held) or self._meant or not needed <= self._values.keys():
            return FAILED
        places = Places(self._node.place, MappingProxyType(self._places))
        return _built(self._declaration, self._values, places, self._reading)

    def _missing(self) -> None:
        for name, key in self._known.items():
            if key.required and name not in self._given | self._meant:
                message = f"{shown(name)} is missing in this {self._said.name}"
                self._reading.error(self._node.place, "missing-key", message)

    def _unknown(self, key: TextNode, value: Node) -> None:
        if self._node.flow and isinstance(value, TextNode) and value.empty and _PATH_LIKE.fullmatch(key.text):
            message = f"the comma before {shown(key.text)} ends the value; several paths go in [ ]"
            self._reading.error(key.place, "quote-path", message)
            return
        others = {entry.key.text for entry in self._node.entries}
        suggestion = did_you_mean(key.text, self._known.keys() - others)
        message = f"{shown(key.text)} is not a key of {self._said.name}"
        if suggestion is None:
            message += f", which knows {listed(self._known)}"
        else:
            self._meant.add(suggestion)
        self._reading.error(key.place, "unknown-key", message, suggestion)

    def _holds(self, rule: ExactlyOne) -> bool:
        given = [name for name in rule.keys if name in self._given]
        if len(given) > 1:
            message = f"{listed(map(shown, given))} exclude each other; keep one of them"
            self._reading.error(self._node.place, "one-of", message)
            return False
        if given or rule.unless in self._given or self._meant.intersection(rule.keys):
            return True
        message = rule.none or f"one of these keys is needed: {listed(rule.keys)}"
        self._reading.error(self._node.place, rule.code, message)
        return False


def _any_of(declarations: tuple[type[Declared], ...], node: Node, called: str, reading: Reading) -> Declared | Failed:
    names = {declaration.__declaration__.name: declaration for declaration in declarations}
    if not isinstance(node, MapNode):
        return reading.error(node.place, "expected-keys", f"a {called} is a block with one of the keys {listed(names)}")
    given = [entry.key for entry in node.entries if entry.key.text in names]
    if len(given) > 1:
        message = f"{listed([shown(key.text) for key in given])} exclude each other; make a {called} of each"
        return reading.error(given[1].place, "one-of", message)
    if given:
        return _record(names[given[0].text], node, reading)
    own = {key.name for declaration in declarations for key in declaration.__keys__}
    odd = next((entry.key for entry in node.entries if entry.key.text not in own), None)
    if odd is None:
        return reading.error(
            node.place, "missing-key", f"this {called} does nothing; give it one of the keys {listed(names)}"
        )
    message = f"{shown(odd.text)} is not a {called}; the {called}s known here are {listed(names)}"
    return reading.error(odd.place, "unknown-step", message, did_you_mean(odd.text, names))


def _component(node: Node, key: Key, reading: Reading) -> object:
    sort = key.defines or "component"
    if not isinstance(node, MapNode):
        return reading.error(node.place, "expected-keys", f"a {sort} is a block of keys and values, kind first")
    kinds = reading.kinds.of(key.defines)
    kind = next((entry.value for entry in node.entries if entry.key.text == "kind"), None)
    if kind is None:
        message = f"'kind' is missing in this {sort}; the installed kinds are {listed(sorted(kinds))}"
        return reading.error(node.place, "missing-key", message)
    if not isinstance(kind, TextNode) or kind.text not in kinds:
        said = kind.text if isinstance(kind, TextNode) else "this"
        message = f"{shown(said)} is not an installed kind of {sort}; those are {listed(sorted(kinds))}"
        return reading.error(kind.place, "unknown-kind", message, did_you_mean(said, kinds))
    rest = replace(node, entries=tuple(entry for entry in node.entries if entry.key.text != "kind"))
    settings = _record(kinds[kind.text], rest, reading)
    return settings if isinstance(settings, Failed) else Component(kind.text, settings, node.place)
