"""The paths of a mapping that reads FHIR, checked."""

from __future__ import annotations

from typing import TYPE_CHECKING

from casecart.formats.fhir import VERSIONS, alike, installed
from casecart.formats.fhir.path import FhirPath, FhirPathError, compile_path, element_of, leads_on
from casecart.formats.fhir.path.elements import ANYTHING, kinds_of, resource_kinds
from casecart.formats.fhir.path.names import RESOURCES
from casecart.mapping.plan import FhirLines
from casecart.workspace.findings import Finding

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from casecart.formats.fhir.path.elements import Kinds
    from casecart.workspace.findings import Place
    from casecart.workspace.mapping import Mapping
    from casecart.workspace.text import Text

__all__ = ["FhirPaths", "interpreted_paths"]


class FhirPaths:
    """Which elements of which resources make the lines, and what their fields are read from.

    Args:
        declaration: the mapping file.
        error: is told what is wrong: place, code, message and what was probably meant.

    Attributes:
        fhir: True: a dot stands in every path.
        all: every path that could be made ready, with the text that it was made from.
        lines: what makes the lines.
    """

    fhir = True

    def __init__(self, declaration: Mapping, error: Callable[[Place, str, str, str | None], None]) -> None:
        self._error = error
        self._version = str(declaration.reads.version or "R4")
        self._base: tuple[str, ...] | None = None  # set once `each` is read
        self._line: Kinds = ANYTHING
        self._bound: dict[str, Kinds] = {}
        self.all: list[tuple[Text, FhirPath]] = []
        if declaration.makes != "Usage":
            message = f"{declaration.makes} can't be made from FHIR yet: only Usage can"
            error(declaration.at("makes"), "bad-value", message, None)
        if declaration.grouped_by is not None:
            message = "grouped_by is for HL7 v2: a line of FHIR is one element, which each names"
            error(declaration.grouped_by.place, "bad-path", message, None)
        each = self._each(declaration.each)
        bind = [(str(alias), self._bind(alias, text)) for alias, text in declaration.bind.items()]
        resource = (self._element() or ("",))[0]
        below = "" if each is None else "".join(each.text.split("\n"))[len(resource) :]
        known = tuple((alias, path) for alias, path in bind if path is not None)
        self.lines = FhirLines(
            resource,
            each or compile_path("{}"),
            below,
            known,
            once=declaration.says == "state",
            takes_back=self._takes_back(declaration, resource),
            validate=declaration.reads.validate or "fast",
            version=VERSIONS[self._version],
            led=frozenset(alias for alias, path in known if leads_on(path.text)),
        )
        if declaration.reads.validate == "strict":
            self._strict(declaration.reads.at("validate"), resource)

    def _strict(self, place: Place, resource: str) -> None:
        """There is somebody to ask."""
        if not installed():
            message = "strict validation needs fhir.resources: pip install 'casecart[fhir-strict]'"
            self._error(place, "bad-value", message, None)
        elif self._version == "R4" and resource and not alike(resource):
            message = f"R4 has no strict validation of {resource}, which R4B defines otherwise: leave 'validate' out"
            self._error(place, "bad-value", message, None)

    def _takes_back(self, declaration: Mapping, resource: str) -> FhirPath | None:
        """The path that is asked of a resource, whether it names all of its lines."""
        text = declaration.takes_back
        if text is None:
            return None
        try:
            path = compile_path(str(text), version=self._version, base=resource or None)
        except FhirPathError as error:
            self._error(text.within(error.column), "bad-path", error.message, error.suggestion)
            return None
        self.all.append((text, path))
        return path

    def _element(self) -> tuple[str, ...] | None:
        """The names of the element that a line is."""
        return self._base

    def _each(self, text: Text) -> FhirPath | None:
        path, kinds = self._compiled(text)
        if path is None:
            return None
        names = element_of(text)
        if not names or names[0] not in RESOURCES or not text.startswith(names[0]):
            message = "each begins with a resource's type and names elements of it, as in Procedure.focalDevice"
            self._error(text.place, "bad-path", message, None)
            return None
        self._base, self._line = names, kinds
        return path

    def _bind(self, alias: str, text: Text) -> FhirPath | None:
        path, self._bound[alias] = self._asked(text)
        return path

    def path(self, text: Text) -> FhirPath | None:
        """The path of a field, which is asked of a line."""
        return self._asked(text)[0]

    def _asked(self, text: Text) -> tuple[FhirPath | None, Kinds]:
        """A path that is asked of a line, and what it comes to."""
        names = self._first_name(text)
        base = self._base
        if base is not None and names in RESOURCES and (len(base) > 1 or names != base[0]):
            line = ".".join(base)
            message = f"the path is asked of a line, which is a {line}: what is above it begins with %resource"
            self._error(text.place, "bad-path", message, None)
            return None, ANYTHING
        return self._compiled(text)

    @staticmethod
    def _first_name(text: Text) -> str:
        head = text.lstrip().split(".", 1)[0].strip()
        return head if head.isidentifier() else ""

    def _compiled(self, text: Text) -> tuple[FhirPath | None, Kinds]:
        base = None if self._base is None else ".".join(self._base)
        try:
            path = compile_path(str(text), version=self._version, base=base, variables=self._bound)
        except FhirPathError as error:
            self._error(text.within(error.column), "bad-path", error.message, error.suggestion)
            return None, ANYTHING
        self.all.append((text, path))
        wrong: list[FhirPathError] = []
        resource = ANYTHING if self._base is None else resource_kinds(self._base[0])
        kinds = kinds_of(str(text), self._line, resource, self._bound, wrong)
        for each in wrong:
            self._error(text.within(each.column), "bad-path", each.message, each.suggestion)
        return path, kinds

    @staticmethod
    def several(_path: object) -> bool:
        """Whether a path is known to give several values: that is seen in the resource only."""
        return False


def interpreted_paths(declaration: Mapping) -> Iterator[Finding]:
    """Warns of the paths of a mapping that are not compiled. What is wrong in it is told by `compile_mapping`."""
    if declaration.reads.format != "fhir":
        return

    def known(*_wrong: object) -> None:
        """It is told elsewhere."""

    paths = FhirPaths(declaration, known)
    for mapped in declaration.fields.values():
        for text in (*mapped.path, *mapped.agree, *mapped.join):
            paths.path(text)
    for text, path in paths.all:
        if path.interpreted is not None:
            what, column = path.interpreted
            message = (
                f"{what} is not compiled: a library evaluates this path, some fifty times slower; "
                "a table or another path may say the same"
            )
            yield Finding(text.within(column), "warning", "interpreted-path", message)
