"""JSON Schema (draft-07) of the workspace's files, from the same declarations that read them.

Editors with a YAML language server complete, explain and check with it. They read `0012` or `2.8` as a number
where we read text, so text allows numbers; and names across files are beyond a schema.
"""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from casecart.workspace.channel import Channel
from casecart.workspace.channel_tests import OTHERS, TestsFile
from casecart.workspace.declaration import NAME, Declared, ExactlyOne, Key, Names
from casecart.workspace.engine import Engine
from casecart.workspace.mapping import Mapping as MappingFile
from casecart.workspace.node import ListNode, MapNode, Node, TextNode
from casecart.workspace.outgoing import OutgoingMapping
from casecart.workspace.ownership import Ownership
from casecart.workspace.reading import NO_KINDS, Kinds
from casecart.workspace.shape import (
    AnyOf,
    Anything,
    Choice,
    Entries,
    Items,
    Kind,
    Record,
    Scalar,
    SecretReference,
    Shape,
)
from casecart.workspace.yaml import parse

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

__all__ = ["FILES", "schema", "schemas"]

_DRAFT = "http://json-schema.org/draft-07/schema#"
_SECRET = {
    "type": "object",
    "properties": {
        "env": {"type": "string", "description": "The environment variable that holds the secret."},
        "file": {"type": "string", "description": "The file that holds the secret, from the workspace."},
    },
    "additionalProperties": False,
    "minProperties": 1,
    "maxProperties": 1,
}
_Schema = dict[str, Any]

FILES: tuple[type[Declared], ...] = (Engine, Ownership, Channel, MappingFile, OutgoingMapping)
"""What each kind of file of a workspace declares; beside them there are tests, which are lists."""


def schemas(
    kinds: Kinds = NO_KINDS,
    known: Mapping[Names, Iterable[str]] | None = None,
    documents: Mapping[str, Mapping[str, str]] | None = None,
) -> dict[str, _Schema]:
    """The schema of each kind of file: `engine`, `ownership`, `channel`, `mapping`, `outgoing mapping` and `tests`.

    Args:
        kinds: The installed kinds, for blocks with a `kind`.
        known: Names that are the same in every workspace, such as those of `field`.
        documents: What a mapping can make: the fields that it may have then, each with what it is.
    """
    made = {each.__declaration__.name: schema(each, kinds, known) for each in FILES}
    if documents is not None:
        _by_document(made[MappingFile.__declaration__.name]["definitions"][MappingFile.__name__], documents)
    tests = schema(TestsFile, kinds, known)
    entries = tests["definitions"].pop(TestsFile.__name__)["properties"]["tests"]
    del tests["$ref"]
    return {**made, "tests": {**tests, **entries}}


def schema(
    declaration: type[Declared], kinds: Kinds = NO_KINDS, known: Mapping[Names, Iterable[str]] | None = None
) -> _Schema:
    """The schema of one declaration.

    Args:
        declaration: What a file, or a block, holds.
        kinds: The installed kinds, for blocks with a `kind`.
        known: Names that are the same in every workspace, such as those of `field`.
    """
    making = _Making(kinds, {sort: list(names) for sort, names in (known or {}).items()})
    body = making.reference(declaration)
    title = f"casecart {declaration.__declaration__.name}"
    return {"$schema": _DRAFT, "title": title, **body, "definitions": making.definitions}


class _Making:
    """One schema in the making; each declaration is defined once in it."""

    def __init__(self, kinds: Kinds, known: Mapping[Names, list[str]]) -> None:
        self.definitions: dict[str, _Schema] = {}
        self._kinds = kinds
        self._known = known

    def reference(self, declaration: type[Declared]) -> _Schema:
        name = declaration.__name__
        if name not in self.definitions:
            self.definitions[name] = {}
            self.definitions[name] = self._declaration(declaration)
        return {"$ref": f"#/definitions/{name}"}

    def _declaration(self, declaration: type[Declared], kind: str | None = None) -> _Schema:
        said = declaration.__declaration__
        keys = declaration.__keys__
        required = [key.name for key in keys if key.required]
        properties = {key.name: self._key(key) for key in keys}
        if kind is not None:
            required.insert(0, "kind")
            properties = {"kind": {"const": kind, "description": said.about}, **properties}
        block: _Schema = {
            "type": "object",
            "title": f"{said.name} (block)",
            "description": said.about,
            "properties": properties,
            "required": required,
            "additionalProperties": False,
        }
        if said.rules:
            block["allOf"] = [_exactly_one(rule) for rule in said.rules]
        if said.shorthand is None:
            return block
        short = next(key for key in keys if key.name == said.shorthand)
        return {"description": said.about, "anyOf": [self._key(short), block]}

    def _key(self, key: Key) -> _Schema:
        described = self._described(key)
        value = self._shape(key.shape, key)
        # Beside a $ref, draft-07 ignores everything else.
        return {**described, "allOf": [value]} if "$ref" in value else {**described, **value}

    def _described(self, key: Key) -> _Schema:
        example = _plain(key.example)
        if isinstance(example, dict | list):
            # As an example of its own, editors would write it into the file with its places to fill.
            said: _Schema = {"description": f"{key.about}\n\nFor example `{key.example}`."}
        else:
            said = {"description": key.about, "examples": [example]}
        if key.default is not None:
            said["default"] = _plain(key.default)
        return said

    def _shape(self, shape: Shape, key: Key) -> _Schema:  # noqa: PLR0911 - one return a shape
        match shape:
            case Scalar():
                return self._scalar(shape, key)
            case Choice(words):
                return {"enum": list(words)}
            case SecretReference():
                return _SECRET
            case Anything():
                return self._anything(key)
            case Items(item):
                return self._items(item, key)
            case Entries(value):
                return self._entries(value, key)
            case Record(declaration):
                return self.reference(declaration)
            case AnyOf(declarations):
                return {"oneOf": [self.reference(declaration) for declaration in declarations]}
            case Kind():
                return self._kind(self._kinds.of(key.defines))

    def _kind(self, kinds: Mapping[str, type[Declared]]) -> _Schema:
        """By conditions and no `oneOf`: what is wrong is told of the kind that is there, and at its line."""
        abouts = {kind: declaration.__declaration__.about for kind, declaration in sorted(kinds.items())}
        return {
            "type": "object",
            "required": ["kind"],
            "properties": {
                "kind": {"anyOf": [{"const": kind, "description": about} for kind, about in abouts.items()]}
            },
            "allOf": [_when("kind", kind, self._declaration(kinds[kind], kind)) for kind in abouts],
        }

    def _scalar(self, shape: Scalar, key: Key) -> _Schema:
        said = dict(shape.type.schema)
        if key.pattern is not None:
            said["pattern"] = f"^(?:{key.pattern})$"
        if key.names is not None and key.names in self._known:
            said = {"enum": self._known[key.names]}
        if said.get("type") == "integer":
            ends = (("minimum", key.minimum), ("maximum", key.maximum))
            said.update({word: int(end) for word, end in ends if end is not None})
        return said

    def _anything(self, key: Key) -> _Schema:
        if key.entry_names is None or key.entry_names not in self._known:
            return {}
        block = {
            "type": "object",
            "properties": {name: {} for name in self._known[key.entry_names]},
            "additionalProperties": False,
        }
        return {"anyOf": [{"const": OTHERS}, block]}

    def _items(self, item: Shape, key: Key) -> _Schema:
        one = self._shape(item, key)
        many: _Schema = {"type": "array", "items": one}
        if key.at_least:
            many["minItems"] = key.at_least
        return {"anyOf": [one, many]} if key.scalar else many

    def _entries(self, value: Shape, key: Key) -> _Schema:
        said: _Schema = {"type": "object"}
        if key.at_least:
            said["minProperties"] = key.at_least
        one = self._shape(value, replace(key, entry_names=None))
        if key.entry_names is not None and key.entry_names in self._known:
            said["properties"] = dict.fromkeys(self._known[key.entry_names], one)
            said["additionalProperties"] = False
            return said
        said["additionalProperties"] = one
        if (pattern := key.entry_pattern or (NAME if key.defines else None)) is not None:
            said["propertyNames"] = {"pattern": f"^(?:{pattern})$"}
        return said


def _when(key: str, value: str, then: _Schema) -> _Schema:
    return {"if": {"properties": {key: {"const": value}}, "required": [key]}, "then": then}


def _by_document(mapping: _Schema, documents: Mapping[str, Mapping[str, str]]) -> None:
    """The fields of a mapping are those of what it makes."""
    said = mapping["properties"]["fields"]
    any_field = said.pop("additionalProperties")
    if "properties" in said:
        any_field = next(iter(said.pop("properties").values()))
    mapping["allOf"] = [
        *mapping.get("allOf", ()),
        *(
            _when("makes", document, {"properties": {"fields": _fields(fields, any_field)}})
            for document, fields in documents.items()
        ),
    ]


def _fields(fields: Mapping[str, str], one: _Schema) -> _Schema:
    properties = {name: {"description": about, "allOf": [one]} for name, about in fields.items()}
    return {"properties": properties, "additionalProperties": False}


def _exactly_one(rule: ExactlyOne) -> _Schema:
    each: list[_Schema] = [{"required": [name]} for name in rule.keys]
    if rule.unless is not None:
        each.append({"required": [rule.unless], "not": {"anyOf": list(each)}})
    return {"oneOf": each}


def _plain(written: str) -> object:
    node, _ = parse(written.encode(), "-")
    return None if node is None else _json(node)


def _json(node: Node) -> object:
    match node:
        case TextNode(text=text, plain=plain):
            if plain and re.fullmatch(r"-?\d{1,15}", text):
                return int(text)
            return {"true": True, "false": False}.get(text, text) if plain else text
        case ListNode(items=items):
            return [_json(item) for item in items]
        case MapNode(entries=entries):
            return {entry.key.text: _json(entry.value) for entry in entries}
        case _:
            return None
