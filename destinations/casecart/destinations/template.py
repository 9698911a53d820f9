"""Outbound text from an analyst's Jinja2 template: sandboxed, bounded, the same for the same input."""

from __future__ import annotations

import re
from traceback import walk_tb
from typing import TYPE_CHECKING, Any, Final

import msgspec
from jinja2 import StrictUndefined, TemplateSyntaxError, Undefined, UndefinedError
from jinja2.exceptions import SecurityError
from jinja2.sandbox import ImmutableSandboxedEnvironment

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from types import TracebackType

    from jinja2.runtime import Context

__all__ = ["LIMIT", "Template", "TemplateProblem"]

LIMIT: Final = 8 * 1024 * 1024
"""Bytes that a template may render."""

# What can make one value too large before the limit on the output sees it, or two renderings of the same batch
# differ: what is sent again must be the same bytes.
_NO_FILTERS: Final = ("batch", "center", "format", "indent", "pprint", "random", "slice", "tojson", "xmlattr")
_NO_GLOBALS: Final = ("cycler", "joiner", "lipsum", "namespace")
_NO_METHODS: Final = frozenset({"center", "expandtabs", "ljust", "rjust", "zfill"})
_LONGEST_PRODUCT: Final = 65_536

_NAME: Final = "<template>"


class TemplateProblem(Exception):
    """A template can't be read or rendered.

    Args:
        line: of the template, counted from 1.
        words: what is wrong there, without any value that was to be rendered.
    """

    def __init__(self, line: int, words: str) -> None:
        super().__init__(f"line {line}: {words}")
        self.line, self.words = line, words


class Template:
    """A compiled template.

    Beyond Jinja2's own it has the filter `json`; a value that is missing is a problem, never an empty text.

    Args:
        source: the template.

    Raises:
        TemplateProblem: it can't be read.
    """

    def __init__(self, source: str) -> None:
        self._source = source
        try:
            self._template = _ENVIRONMENT.from_string(source)
        except TemplateSyntaxError as error:
            raise TemplateProblem(error.lineno, error.message or "it can't be read") from None

    def render(self, values: Mapping[str, object]) -> bytes:
        """The text, in UTF-8.

        Raises:
            TemplateProblem: it needs what is not there, fails, or renders more than `LIMIT`.
        """
        parts: list[bytes] = []
        size = 0
        try:
            for part in self._template.generate(values):
                encoded = part.encode()
                size += len(encoded)
                if size > LIMIT:
                    raise TemplateProblem(1, f"it renders more than {LIMIT // 1024 // 1024} MiB")
                parts.append(encoded)
        except TemplateProblem:
            raise
        except Exception as error:  # noqa: BLE001 - a template can raise what any of its filters and values can
            raise TemplateProblem(_line(error.__traceback__), _words(error, self._source)) from None
        return b"".join(parts)


class _Sandbox(ImmutableSandboxedEnvironment):
    intercepted_binops = frozenset({"*", "**", "%"})

    def call_binop(self, context: Context, operator: str, left: Any, right: Any) -> Any:  # noqa: ANN401 - as Jinja has it
        if operator == "**" or (operator == "%" and isinstance(left, str)):
            raise SecurityError(f"'{operator}' is not for templates: its result could be too large")
        for repeated, times in ((left, right), (right, left)):
            if isinstance(repeated, str | list | tuple) and len(repeated) * times > _LONGEST_PRODUCT:
                raise SecurityError("'*' makes a result that is too large")
        return super().call_binop(context, operator, left, right)

    def is_safe_attribute(self, obj: Any, attr: str, value: Any) -> bool:  # noqa: ANN401 - as Jinja has it
        return attr not in _NO_METHODS and super().is_safe_attribute(obj, attr, value)

    def wrap_str_format(self, value: Any) -> Callable[..., str] | None:  # noqa: ANN401 - as Jinja has it
        # Jinja2 makes `format` safe for attributes, not for widths, and asks here before it asks above.
        if super().wrap_str_format(value) is not None:
            raise SecurityError("text can't be formatted; use ~ to join")
        return None


_JSON: Final = msgspec.json.Encoder(decimal_format="number")


def _json(value: object) -> str:
    """A value as JSON; a decimal as a number with all its digits."""
    if isinstance(value, Undefined):
        str(value)  # tells what is missing
    return _JSON.encode(value).decode()


def _environment() -> _Sandbox:
    made = _Sandbox(undefined=StrictUndefined, autoescape=False, trim_blocks=True, lstrip_blocks=True)
    for name in _NO_FILTERS:
        del made.filters[name]
    for name in _NO_GLOBALS:
        del made.globals[name]
    made.filters["json"] = _json
    return made


_ENVIRONMENT: Final = _environment()


def _line(traceback: TracebackType | None) -> int:
    lines = [line for frame, line in walk_tb(traceback) if frame.f_code.co_filename == _NAME]
    return lines[-1] if lines else 1


def _words(error: Exception, source: str) -> str:
    # An error's own words can hold a posting's value: they are repeated as far as the template's text says them too.
    if isinstance(error, SecurityError):
        return str(error).rstrip(".")
    if isinstance(error, UndefinedError):
        missing = [name for name in re.findall(r"'(\w+)'", str(error)) if name in source]
        return f"it needs '{missing[-1]}', which is not there" if missing else "it needs what is not there"
    return f"it fails there ({type(error).__name__})"
