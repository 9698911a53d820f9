"""One typed declaration per component; parsing, findings, JSON Schema and reference pages are made from it.

```python
@declared(name="peer", about="A sender that the listener knows.")
class Peer(Declared):
    facility: Text = key(about="The site it speaks for.", example="NORTH", names="facility")
    idle_timeout: Duration = key(about="Silence after which it is disconnected.", example="10m", default="1h")
```

The class becomes a frozen dataclass with slots and keywords only. Examples and defaults are written as in
YAML, and are read by the same code that reads an analyst's file.
"""

from __future__ import annotations

import dataclasses
import types
import typing
from dataclasses import dataclass, field
from typing import Any, ClassVar, TypeVar, dataclass_transform, get_args, get_origin, get_type_hints

from casecart.workspace.findings import NOWHERE, Finding, Place
from casecart.workspace.scalar import FLAG
from casecart.workspace.shape import AnyOf, Items, Scalar, Shape, shape_of

if typing.TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

__all__ = ["NAME", "Declared", "ExactlyOne", "Key", "Names", "declared", "key", "keys_of"]

NAME = r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}"
"""What names that an analyst gives look like: in configuration, files, and on the command line."""

Names = str
"""What a key's text is the name of: `facility`, `listener`, `destination`, `mapping` (one that reads), `outgoing
mapping`, `table` or `field`; or `file`, of the workspace's own whose text decides what is done, such as a template."""

_T = TypeVar("_T", bound="Declared")
_REQUIRED: Any = object()
_FLAG = Scalar(FLAG)


@dataclass(frozen=True, slots=True)
class Places:
    """Where an instance stands, and where the value of each of its keys does."""

    own: Place = NOWHERE
    keys: Mapping[str, Place] = field(default_factory=dict)


class Declared:
    """What every declared class derives from: an instance knows where it was written."""

    __slots__ = ("_places",)
    __keys__: ClassVar[tuple[Key, ...]]
    __declaration__: ClassVar[Declaration]
    _places: Places

    @property
    def place(self) -> Place:
        """Where the block stands that this was read from; `NOWHERE` when it was made in Python."""
        return self._written().own

    def at(self, key: str) -> Place:
        """Where the value of a key, by its name in YAML, stands; for a default, where the block does."""
        places = self._written()
        return places.keys.get(key, places.own)

    def written_at(self, key: str) -> Place | None:
        """Where the value of a key was written; None: it is the default, or absent."""
        return self._written().keys.get(key)

    def check(self) -> Iterable[Finding]:
        """What is wrong between the keys; asked of instances whose every key is right by itself."""
        return ()

    def _written(self) -> Places:
        return getattr(self, "_places", Places())


@dataclass(frozen=True, slots=True)
class ExactlyOne:
    """A rule between keys: exactly one of `keys` is given, unless the key `unless` is."""

    keys: tuple[str, ...]
    unless: str | None = None
    code: str = "one-of"
    none: str | None = None
    """What to say when none is given; a general sentence if absent."""


@dataclass(frozen=True, slots=True)
class Declaration:
    """What is said of a declared class as a whole."""

    name: str
    about: str
    rules: tuple[ExactlyOne, ...] = ()
    shorthand: str | None = None
    """The key that a value written in place of the whole block stands for."""


@dataclass(frozen=True, slots=True)
class Key:
    """A key of a declaration, as reader, schema and docs see it."""

    name: str
    """As written in YAML."""
    attribute: str
    """As named in Python; differs where YAML's word is one of Python's."""
    shape: Shape
    about: str
    example: str
    required: bool
    default: str | None
    """As written in YAML; None when the key is required or its absence means None."""
    scalar: bool = False
    minimum: str | None = None
    maximum: str | None = None
    at_least: int = 0
    pattern: str | None = None
    form: str | None = None
    """The pattern, in words."""
    names: Names | None = None
    defines: Names | None = None
    entry_names: Names | None = None
    entry_pattern: str | None = None
    entry_form: str | None = None
    called: str = "step"
    """What an entry of a list is called, where it is one of several blocks."""


def key(
    *,
    about: str,
    example: str | int,
    default: str | int | None = _REQUIRED,
    written: str | None = None,
    scalar: bool = False,
    minimum: str | int | None = None,
    maximum: str | int | None = None,
    at_least: int = 0,
    pattern: str | None = None,
    form: str | None = None,
    names: Names | None = None,
    defines: Names | None = None,
    entry_names: Names | None = None,
    entry_pattern: str | None = None,
    entry_form: str | None = None,
    called: str = "step",
) -> Any:  # noqa: ANN401 - a field specifier stands for a value of any type
    """Declares a key.

    Args:
        about: What it is for, one or two sentences.
        example: A value as written in YAML, after the key.
        default: The value if the key is absent, as written in YAML; `None` for None, and for the False of a
            `Flag`. Without it the key is required.
        written: The key in YAML, where the attribute cannot have its name (`from`, `as`).
        scalar: For a list: one value may be written without brackets.
        minimum: The smallest value, as written in YAML.
        maximum: The largest value, as written in YAML.
        at_least: For a list or a block of names: how many entries it needs.
        pattern: A regular expression that the whole text must match.
        form: The pattern in words, for the person who must act: "letters and digits, such as ...".
        names: The text is the name of a thing of this sort; it must exist in the workspace.
        defines: The names in this block are names of things of this sort; they look like `NAME`.
        entry_names: The names in this block must be those of existing things of this sort.
        entry_pattern: A regular expression that every name in this block must match.
        entry_form: That pattern in words.
        called: What an entry of the list is called, where it is one of several blocks.
    """
    said = {name: value for name, value in locals().items() if name not in {"default", "written"}}
    said["example"] = _as_written(example)
    said["minimum"], said["maximum"] = (None if end is None else _as_written(end) for end in (minimum, maximum))
    said["required"] = default is _REQUIRED
    said["default"] = None if default is _REQUIRED or default is None else _as_written(default)
    metadata = {"casecart": said, "written": written}
    if default is _REQUIRED:
        return dataclasses.field(metadata=metadata)
    return dataclasses.field(default_factory=_Default(), metadata=metadata)


class _Default:
    """The default of a key, read from its written form when it is first needed."""

    def __init__(self) -> None:
        self.key: Key | None = None
        self._read: list[object] = []  # what it came to, once it was read; nothing in it changes

    def __call__(self) -> object:
        if self.key is None or self.key.default is None:
            return False if self.key is not None and self.key.shape == _FLAG else None
        if not self._read:
            # The reader knows declarations, so that they can only meet it later.
            from casecart.workspace.reader import written  # noqa: PLC0415 - see above

            self._read.append(written(dataclasses.replace(self.key, at_least=0), self.key.default))
        return self._read[0]


def _as_written(value: str | int) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


@dataclass_transform(kw_only_default=True, frozen_default=True, field_specifiers=(key,))
def declared(
    *, name: str, about: str, rules: tuple[ExactlyOne, ...] = (), shorthand: str | None = None
) -> Callable[[type[_T]], type[_T]]:
    """Makes a declaration of a class that derives from `Declared`.

    Args:
        name: What it is called in findings and docs. In a union, it is also the key that tells this one.
        about: What it is, one or two sentences.
        rules: Which keys exclude or need each other.
        shorthand: The key that a single value, written instead of the block, stands for.

    Raises:
        TypeError: something is declared that cannot be.
    """

    def declare(plain: type[_T]) -> type[_T]:
        made = dataclass(frozen=True, slots=True, kw_only=True)(plain)
        made.__declaration__ = Declaration(name, about, rules, shorthand)
        hints = get_type_hints(made, include_extras=True)
        fields = dataclasses.fields(made)  # type: ignore[arg-type]  # mypy sees no dataclass in a type variable
        made.__keys__ = tuple(_key(made, each, hints[each.name]) for each in fields)
        if shorthand is not None and {each.name for each in made.__keys__ if each.required} - {shorthand}:
            raise TypeError(f"{made.__name__}: what may be written as its {shorthand} alone can require nothing else")
        return made

    return declare


def _key(
    owner: type[Declared],
    attribute: dataclasses.Field[Any],
    annotation: object,
) -> Key:
    said = attribute.metadata.get("casecart")
    if said is None:
        raise TypeError(f"{owner.__name__}.{attribute.name} is not declared with key(...)")
    shape = shape_of(annotation)
    if said["default"] is None and not said["required"] and shape != _FLAG and not _allows_none(annotation):
        raise TypeError(f"{owner.__name__}.{attribute.name}: a default of None needs a type `... | None`")
    for union in (shape, shape.item if isinstance(shape, Items) else None):
        for alternative in union.declarations if isinstance(union, AnyOf) else ():
            if alternative.__declaration__.name not in {each.name for each in alternative.__keys__}:
                raise TypeError(f"{alternative.__name__} has no key that is named like it, to tell it in a union")
    made = Key(name=attribute.metadata["written"] or attribute.name, attribute=attribute.name, shape=shape, **said)
    if isinstance(attribute.default_factory, _Default):
        attribute.default_factory.key = made
    return made


def _allows_none(annotation: object) -> bool:
    return get_origin(annotation) in {typing.Union, types.UnionType} and type(None) in get_args(annotation)


def keys_of(declaration: type[Declared]) -> tuple[Key, ...]:
    """The keys of a declared class, in their order; for docs, schema and scaffolds."""
    return declaration.__keys__
