"""Reads what is one value: a scalar of its type, one of some words, the reference to a secret."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from casecart.workspace.findings import did_you_mean, listed, shown
from casecart.workspace.node import BrokenNode, ListNode, MapNode, Node, TextNode
from casecart.workspace.reading import FAILED, Failed, Reading
from casecart.workspace.scalar import EXPRESSION, PATH, ScalarType
from casecart.workspace.secret import Secret
from casecart.workspace.text import Text

if TYPE_CHECKING:
    from casecart.workspace.declaration import Key

__all__ = ["choice", "scalar", "secret"]


def scalar(type_: ScalarType, node: Node, key: Key, reading: Reading) -> object:
    """The value of a scalar, within its limits, or `FAILED`."""
    if not isinstance(node, TextNode):
        if type_ is PATH and isinstance(node, ListNode | MapNode) and node.flow:
            message = f"put the path of {shown(key.name)} in quotes; without them its brackets make it a list"
            return reading.error(node.place, "quote-path", message)
        return reading.error(node.place, "expected-text", f"{shown(key.name)} takes one value: {type_.words}")
    try:
        value = type_.parse(node.text)
    except ValueError:
        message = f"{shown(node.text)} is not a value of {shown(key.name)}; write {type_.words}"
        return reading.error(node.place, "bad-value", message)
    for limit, words, wrong in ((key.minimum, "at least", -1), (key.maximum, "at most", 1)):
        end = value if limit is None else type_.parse(limit)
        if (value > end) - (value < end) == wrong:
            return reading.error(node.place, "out-of-range", f"{shown(key.name)} is {words} {limit}")
    if not isinstance(value, Text):
        return value
    text = Text(value, node.place, plain=node.plain)
    if type_ is PATH or type_ is EXPRESSION:
        reading.texts.append((type_.name, text))
    return _text(text, key, reading)


def _text(text: Text, key: Key, reading: Reading) -> Text | Failed:
    if key.pattern is not None and re.fullmatch(key.pattern, text) is None:
        # What stands there is not repeated: it may be a secret in the wrong place.
        message = f"{shown(key.name)} has another form: {key.form or key.pattern}"
        return reading.error(text.place, "bad-format", message)
    if key.names is not None:
        reading.used.append((key.names, text))
    return text


def choice(words: tuple[str, ...], node: Node, key: Key, reading: Reading) -> str | Failed:
    """The word, or `FAILED`."""
    if not isinstance(node, TextNode):
        return reading.error(
            node.place, "expected-text", f"{shown(key.name)} takes one of these words: {listed(words)}"
        )
    if node.text in words:
        return node.text
    message = f"{shown(node.text)} is not a value of {shown(key.name)}, which knows {listed(words)}"
    return reading.error(node.place, "unknown-value", message, did_you_mean(node.text, words))


def secret(node: Node, key: Key, reading: Reading) -> Secret | Failed:
    """The reference to a secret, or `FAILED`; no finding repeats what stands there."""
    keys = [entry.key.text for entry in node.entries] if isinstance(node, MapNode) else []
    if not isinstance(node, MapNode) or keys not in (["env"], ["file"]):
        message = (
            f"{shown(key.name)} takes a secret by reference only: {{env: NAME}} for an environment variable, "
            "or {file: PATH}"
        )
        # A value or an odd key is not repeated: it may be the secret.
        return reading.error(node.place, "secret-literal", message)
    value = node.entries[0].value
    if isinstance(value, BrokenNode):
        return FAILED
    if not isinstance(value, TextNode) or value.empty or not value.text:
        return reading.error(value.place, "expected-text", f"{shown(keys[0])} takes the name of the variable or file")
    if keys == ["env"] and re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", value.text) is None:
        message = "the name of an environment variable is expected here, not the secret itself"
        return reading.error(value.place, "secret-literal", message)
    return Secret(**{keys[0]: value.text}, place=node.place)
