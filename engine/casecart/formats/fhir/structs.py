"""msgspec's structs for the types of FHIR: a filter that lets the usual resource pass at the speed of C.

What passes has nothing wrong and nothing that needs a decision. What doesn't pass may still be right: `validate` looks
at it element by element, says what is wrong, and is the one that decides. So a struct may refuse what is rare (a null
among a list's values, a modifier extension) and must never let pass what `validate` would not.
"""

from __future__ import annotations

from decimal import Decimal
from functools import cache, reduce
from operator import attrgetter, or_
from types import GenericAlias
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal

import msgspec
from msgspec import UNSET, UnsetType

from casecart.formats.fhir.definitions import MODIFIERS, definitions
from casecart.formats.fhir.primitive import PRIMITIVES, Number, Text

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from casecart.formats.fhir.definitions import Definitions, Member, Type

__all__ = ["passes", "structs"]

_Struct = type[msgspec.Struct]


def passes(resource: Mapping[str, Any], version: str) -> bool:
    """Whether the resource has surely nothing wrong, and no modifier extension.

    Args:
        resource: as `read_resource` gives it.
        version: a value of `VERSIONS`.
    """
    name = resource.get("resourceType")
    struct = structs(version).get(name) if type(name) is str else None
    if struct is None:
        return False
    try:
        msgspec.convert(resource, struct, builtin_types=_BUILT_IN)
    except (msgspec.ValidationError, RecursionError):
        return False
    return True


_BUILT_IN: Final = (Decimal,)


@cache
def structs(version: str) -> Mapping[str, _Struct]:
    """The structs of the resources of a version, by their names; made once, in some tens of milliseconds."""
    defined = definitions(version)
    made = {name: _bare(defined[name], name in defined.resources) for name in defined}
    resources = {name: struct for name, struct in made.items() if name in defined.resources}
    made["Resource"] = reduce(or_, resources.values())
    for name in defined:
        # The types refer to each other; msgspec looks at them when the first resource comes.
        made[name].__annotations__ = _annotations(defined, made, name)
    return resources


def _bare(of: Type, resource: bool) -> _Struct:  # noqa: FBT001 - read beside its only call
    """The struct without the types of its fields."""
    needed = _needed(of)
    names = [name for name in of.members if name not in MODIFIERS]
    names += [f"_{name}" for name in names if _has_companion(of, name)]
    # A field's own name must be one that Python takes: `class` and `_id` are none.
    fields = [
        (f"m_{name}", Any, *(() if name in needed else (UNSET,)))
        for name in sorted(names, key=lambda name: name not in needed)
    ]
    check = _check(of)
    return msgspec.defstruct(
        of.name,
        fields,
        namespace={"__post_init__": check} if check else None,
        tag_field="resourceType" if resource else None,
        tag=of.name if resource else None,
        rename={f"m_{name}": name for name in names},
        forbid_unknown_fields=True,
        kw_only=True,
        gc=False,
    )


def _needed(of: Type) -> frozenset[str]:
    """The names that must be there; not those of which one must."""
    names = (of.choices.get(element, (element,)) for element in of.required)
    return frozenset(alone for alone, *others in names if not others)


def _has_companion(of: Type, name: str) -> bool:
    """Whether `_name` is a field. Beside a choice it is not: there it counts as an answer itself."""
    member = of.members[name]
    return member.type in PRIMITIVES and member.element == name


def _check(of: Type) -> Callable[[msgspec.Struct], None] | None:
    """What the types of the fields can't say: one answer to a choice, and nothing contained in what is contained."""
    choices = [
        (attrgetter(*(f"m_{name}" for name in names)), len(names) - 1, element in of.required)
        for element, names in of.choices.items()
        if len(names) > 1
    ]

    def choose(struct: msgspec.Struct) -> None:
        for answers, others, must in choices:
            missing = answers(struct).count(UNSET)
            if missing < others or (must and missing > others):
                raise ValueError

    def contain(struct: Any) -> None:  # noqa: ANN401 - its fields were not known when this was written
        if struct.m_contained is not UNSET:
            for resource in struct.m_contained:
                if getattr(resource, "m_contained", UNSET) is not UNSET:
                    raise ValueError
        if choices:
            choose(struct)

    if "contained" in of.members:
        return contain
    return choose if choices else None


def _annotations(defined: Definitions, made: Mapping[str, Any], name: str) -> dict[str, Any]:
    of = defined[name]
    needed = _needed(of)
    found: dict[str, Any] = {}
    for key, member in of.members.items():
        if key in MODIFIERS:
            continue
        one = _value(member) if member.type in PRIMITIVES else made[member.type]
        low = msgspec.Meta(min_length=1 if key in needed else 0)
        value = Annotated[GenericAlias(list, (one,)), low] if member.many else one
        found[f"m_{key}"] = value if key in needed else value | UnsetType
        if _has_companion(of, key):
            beside = made["Element"]
            found[f"m__{key}"] = (GenericAlias(list, (beside | None,)) if member.many else beside) | UnsetType
    return found


def _value(member: Member) -> Any:  # noqa: ANN401 - a type, made at run time
    primitive = PRIMITIVES[member.type]
    if isinstance(primitive, bool):
        return bool
    if isinstance(primitive, Text):
        if member.codes is not None:
            return Literal[tuple(sorted(member.codes))]
        if primitive.pattern:
            return Annotated[str, msgspec.Meta(pattern=primitive.pattern)]
        return Annotated[str, msgspec.Meta(min_length=1, max_length=primitive.longest or None)]
    return _number(primitive)


def _number(primitive: Number) -> Any:  # noqa: ANN401 - the same
    if primitive.decimal:
        return Annotated[int, msgspec.Meta(ge=-(2**62), le=2**62)] | Decimal
    whole = Annotated[int, msgspec.Meta(ge=primitive.low, le=primitive.high)]
    return whole | Annotated[str, msgspec.Meta(pattern=r"\A-?[0-9]{1,18}\Z")] if primitive.text else whole
