"""What compiled paths call where a step is more than one look into a dict.

A *collection* is held in the cheapest way: None is empty, a value that is no list is its only item, a list has any
number of items. A `null` of JSON stands for no item (it keeps the place of an extension in a list of primitive values).
"""

from __future__ import annotations

import operator
from base64 import b64decode
from decimal import Decimal
from typing import TYPE_CHECKING, Final

import msgspec

from casecart.formats.fhir.path.mistake import PathFailed
from casecart.formats.fhir.path.names import CHOICES

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from casecart.formats.fhir.path.value import Json

__all__ = ["OPERATIONS", "items"]

_encode: Final = msgspec.json.Encoder(order="deterministic").encode


def items(collection: Json) -> Sequence[Json]:
    """The items of a collection, one by one."""
    if collection is None:
        return ()
    return [item for item in collection if item is not None] if collection.__class__ is list else (collection,)


def step(collection: Json, name: str) -> Json:
    """An element of each item."""
    if collection.__class__ is not list:
        return collection.get(name) if collection.__class__ is dict else None
    found: list[Json] = []
    for item in collection:
        if item.__class__ is dict:
            value = item.get(name)
            if value.__class__ is list:
                found += value
            elif value is not None:
                found.append(value)
    return found


def choose(collection: Json, name: str) -> Json:
    """An element with a choice of types, of each item: `value`, also where JSON has `valueQuantity`."""
    if collection.__class__ is not list:
        return _chosen(collection, name)
    found: list[Json] = []
    for item in collection:
        found += items(_chosen(item, name))
    return found


def _chosen(item: Json, name: str) -> Json:
    if item.__class__ is not dict:
        return None
    if name in item:
        return item[name]
    keys = CHOICES[name]
    if keys.isdisjoint(item):
        return None
    found = [item[each] for each in item if each in keys]
    if len(found) > 1:  # FHIR has one type at a time: who wants one value must not get either
        return [each for several in found for each in items(several)]
    return found[0]


def some(collection: Json) -> bool:
    """Whether there is any item."""
    return any(item is not None for item in collection) if collection.__class__ is list else collection is not None


def first(collection: Json) -> Json:
    """The first item."""
    return next((item for item in collection if item is not None), None) if collection.__class__ is list else collection


def last(collection: Json) -> Json:
    """The last item."""
    found = items(collection)
    return found[-1] if found else None


def single(collection: Json) -> Json:
    """The only item."""
    found = items(collection)
    if len(found) > 1:
        raise PathFailed("single() wants one value, and there are several")
    return found[0] if found else None


def cut(collection: Json, begin: int, end: int | None) -> Json:
    """Items from one place to another: `skip`, `take` and `tail`."""
    return list(items(collection)[max(begin, 0) : end if end is None else max(end, 0)])


def at(collection: Json, index: int) -> Json:
    """The item with this number, from 0."""
    found = items(collection)
    return found[index] if 0 <= index < len(found) else None


def count(collection: Json) -> int:
    """How many items there are."""
    return len(items(collection))


def key(item: Json) -> object:
    """Two items are equal when these are: 1 and 1.0 are one number, and no Boolean."""
    kind = item.__class__
    if kind is str:
        return item
    return (kind is bool, item) if kind in (bool, int, Decimal) else _encode(item)


def distinct(collection: Json) -> Json:
    """Each item once, in their order."""
    known: dict[object, Json] = {}
    found = items(collection)
    if len(found) < 2:  # noqa: PLR2004 - one, or none
        return found[0] if found else None
    for item in found:
        known.setdefault(key(item), item)
    return list(known.values())


def union(left: Json, right: Json) -> Json:
    """Each item of both once."""
    return distinct([*items(left), *items(right)])


def equal(left: Json, right: Json) -> bool | None:
    """`=`: item by item, in their order; None where one side is empty."""
    lefts, rights = items(left), items(right)
    if not lefts or not rights:
        return None
    return len(lefts) == len(rights) and all(key(one) == key(other) for one, other in zip(lefts, rights, strict=True))


def unequal(left: Json, right: Json) -> bool | None:
    """`!=`."""
    same = equal(left, right)
    return None if same is None else not same


def among(item: Json, collection: Json) -> bool | None:
    """`item in collection`."""
    asked = single_item(item, "in")
    return None if asked is None else any(key(asked) == key(each) for each in items(collection))


def contains(collection: Json, item: Json) -> bool | None:
    """`collection contains item`."""
    asked = single_item(item, "contains")
    return None if asked is None else any(key(asked) == key(each) for each in items(collection))


def single_item(collection: Json, what: str) -> Json:
    """The only item of an operand."""
    if collection.__class__ is not list:
        return collection
    found = items(collection)
    if len(found) > 1:
        raise PathFailed(f"{what} wants one value, and there are several")
    return found[0] if found else None


def truth(collection: Json) -> bool | None:
    """What a collection is as a Boolean: one item that is none stands for true."""
    item = single_item(collection, "a condition")
    return item if item is None or item.__class__ is bool else True


_ORDERS: Final[Mapping[str, Callable[[Json, Json], bool]]] = {
    "<": operator.lt, ">": operator.gt, "<=": operator.le, ">=": operator.ge,
}  # fmt: skip
_NUMBERS: Final = (int, Decimal)


def compare(how: str, left: Json, right: Json) -> bool | None:
    """`<`, `>`, `<=` and `>=`, of two numbers or two texts."""
    one, other = single_item(left, how), single_item(right, how)
    if one is None or other is None:
        return None
    numbers = one.__class__ in _NUMBERS and other.__class__ in _NUMBERS
    if not numbers and not (one.__class__ is str and other.__class__ is str):
        raise PathFailed(f"{how} compares two numbers or two texts, and these are not")
    return _ORDERS[how](one, other)


def decoded(collection: Json, coding: str) -> str | None:
    """`decode('base64')` and `decode('hex')`: bytes as text, which is UTF-8 or, as barcodes have it, ISO 8859-1."""
    written = text(collection, "decode")
    if written is None:
        return None
    try:
        found = b64decode("".join(written.split()), validate=True) if coding == "base64" else bytes.fromhex(written)
    except ValueError:
        raise PathFailed(f"decode('{coding}') is of text in that coding, and this is not") from None
    try:
        return found.decode()
    except UnicodeDecodeError:
        return found.decode("latin-1")


def text(collection: Json, function: str) -> str | None:
    """The only item, which is text."""
    item = single_item(collection, f"{function}()")
    if item is not None and item.__class__ is not str:
        raise PathFailed(f"{function}() is for text, and this is none")
    return item


def of_text(function: str, collection: Json, *arguments: Json) -> Json:
    """A function of text; nothing comes of nothing."""
    asked = text(collection, function)
    given = [text(argument, function) for argument in arguments]
    if asked is None or None in given:
        return None
    return _OF_TEXT[function](asked, *given)


def _split(asked: str, separator: str) -> list[str]:
    return asked.split(separator) if separator else [asked]


_OF_TEXT: Final[Mapping[str, Callable[..., Json]]] = {
    "startsWith": str.startswith,
    "endsWith": str.endswith,
    "contains": operator.contains,
    "upper": str.upper,
    "lower": str.lower,
    "trim": str.strip,
    "length": len,
    "replace": str.replace,
    "split": _split,
}


def substring(collection: Json, begin: int, length: int | None) -> str | None:
    """A part of a text; none where it begins outside."""
    asked = text(collection, "substring")
    if asked is None or not 0 <= begin < len(asked):
        return None
    return asked[begin:] if length is None else asked[begin : begin + max(length, 0)]


def join(collection: Json, separator: str) -> str | None:
    """All texts as one; nothing where there is none."""
    found = items(collection)
    if any(item.__class__ is not str for item in found):
        raise PathFailed("join() is for texts, and these are not all")
    return separator.join(found) if found else None


def together(left: Json, right: Json) -> str:
    """`&`: two texts behind each other, of which each may be missing."""
    return (text(left, "&") or "") + (text(right, "&") or "")


def of_type(collection: Json, kind: str) -> Json:
    """The resources of a type."""
    if collection.__class__ is dict:
        return collection if collection.get("resourceType") == kind else None
    return [item for item in items(collection) if item.__class__ is dict and item.get("resourceType") == kind]


def is_type(collection: Json, kind: str) -> bool | None:
    """Whether the only item is a resource of a type."""
    item = single_item(collection, "is")
    return None if item is None else item.__class__ is dict and item.get("resourceType") == kind


def extension(collection: Json, url: str) -> Json:
    """The extensions of each item with this URL."""
    found = items(step(collection, "extension"))
    return [each for each in found if each.__class__ is dict and each.get("url") == url]


def resolve(collection: Json, scope: Json, holder: Json) -> Json:
    """What references lead to within the message; those that lead elsewhere give nothing.

    Args:
        collection: References, or the texts of such.
        scope: knows the message, and is told of those that lead elsewhere.
        holder: the resources that the references stand in, for those that are contained in them.
    """
    found = []
    for item in items(collection):
        reference = item.get("reference") if item.__class__ is dict else item
        if reference.__class__ is str:
            resource = scope.find(reference, items(holder))
            if resource is not None:
                found.append(resource)
            elif scope.missed is not None and reference.strip():
                scope.missed.append(item)
    return found


OPERATIONS: Final[Mapping[str, Callable[..., Json]]] = {
    function.__name__: function
    for function in (
        items, step, choose, some, first, last, single, cut, at, count, distinct, union, equal, unequal, among,
        contains, truth, compare, of_text, decoded, substring, join, together, of_type, is_type, extension, resolve,
    )
}  # fmt: skip
"""By the names that compiled paths call them with."""
