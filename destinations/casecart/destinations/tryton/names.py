"""From codes to Tryton's own numbers: products, locations, lots."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from casecart.destinations.tryton.client import Record, Rest

__all__ = ["Names", "Product"]

T = TypeVar("T")

AGE: Final = 300.0
"""Seconds for which a number is taken as known."""

MOST: Final = 50_000
"""Numbers that are remembered."""

AT_ONCE: Final = 40
"""Codes in one request: they go in its address, for which 8,000 bytes are what common proxies take."""


@dataclass(frozen=True, slots=True)
class Product:
    """A product of Tryton's."""

    number: int
    unit: int
    symbol: str


class Names:
    """What codes stand for. What is not there is asked for each time, since somebody may be adding it.

    Args:
        rest: asked.
        seconds: monotonic.
    """

    def __init__(self, rest: Rest, seconds: Callable[[], float]) -> None:
        self._rest, self._seconds = rest, seconds
        self._kept: dict[tuple[str, str], tuple[float, Any]] = {}

    async def products(self, codes: Iterable[str]) -> dict[str, Product | None]:
        """By code; None where several have it."""
        return await self._known("product.product", codes, ["code", "default_uom.symbol"], _product)

    async def locations(self, codes: Iterable[str]) -> dict[str, int | None]:
        """By code; None where several have it."""
        return await self._known("stock.location", codes, ["code"], _number)

    async def lots(self, wanted: Iterable[tuple[int, str]]) -> dict[tuple[int, str], int | None]:
        """By product and number; None where several have it. They come and go: nothing is remembered."""
        pairs = sorted(set(wanted))
        found: dict[tuple[int, str], int | None] = {}
        for some in _parts(pairs):
            domain = ["OR", *([["product", "=", product], ["number", "=", number]] for product, number in some)]
            for row in await self._rest.find("stock.lot", domain, ["number", "product.code"]):
                key = (int(row["product"]["id"]), str(row["number"]))
                found[key] = None if key in found else int(row["id"])
        return found

    async def _known(
        self, model: str, codes: Iterable[str], fields: Sequence[str], made: Callable[[Record], Any]
    ) -> dict[str, Any]:
        now, wanted = self._seconds(), set(codes)
        found = {code: self._kept[model, code][1] for code in wanted if self._kept.get((model, code), (0.0,))[0] > now}
        unknown = sorted(wanted - found.keys())
        several = set()
        for some in _parts(unknown):
            for row in await self._rest.find(model, [["code", "in", some]], fields):
                code = str(row["code"])
                if code in found:
                    several.add(code)
                found[code] = made(row)
        if len(self._kept) > MOST:
            self._kept.clear()
        for code in unknown:
            if code in several:
                found[code] = None
            elif code in found:
                self._kept[model, code] = (now + AGE, found[code])
        return found


def _parts(wanted: Sequence[T]) -> Iterator[Sequence[T]]:
    return (wanted[first : first + AT_ONCE] for first in range(0, len(wanted), AT_ONCE))


def _product(row: Record) -> Product:
    return Product(int(row["id"]), int(row["default_uom"]["id"]), str(row["default_uom"]["symbol"]))


def _number(row: Record) -> int:
    return int(row["id"])
