"""A line chart as SVG: enough for the figures of the documentation, and nothing to install."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING
from xml.sax.saxutils import escape

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

__all__ = ["chart", "ticks"]

WIDTH, HEIGHT = 720, 360
LEFT, RIGHT, TOP, BOTTOM = 70, 150, 40, 50
COLOURS = ("#0b6e99", "#b3541e", "#4f7942", "#6b4c9a")
TICKS = 5


def ticks(most: float) -> list[float]:
    """Round values from 0 to the first that is not below `most`; about five steps."""
    rough = (most or 1.0) / TICKS
    power: float = 10.0 ** math.floor(math.log10(rough))
    step = next(factor * power for factor in (1, 2, 5, 10) if factor * power >= rough * (1 - 1e-9))
    return [number * step for number in range(math.ceil(most / step - 1e-9) + 1)] if most else [0.0, step]


def chart(title: str, across: str, up: str, lines: Mapping[str, Sequence[tuple[float, float]]]) -> str:
    """An SVG document.

    Args:
        title: above it.
        across: what the values across are, with their unit.
        up: the same for those upwards.
        lines: by their name, points as (across, up); none below 0. There is at least one point.
    """
    points = [point for each in lines.values() for point in each]
    x_ticks, y_ticks = (ticks(max(point[axis] for point in points)) for axis in (0, 1))

    def x(value: float) -> float:
        return round(LEFT + value / x_ticks[-1] * (WIDTH - LEFT - RIGHT), 1)

    def y(value: float) -> float:
        return round(HEIGHT - BOTTOM - value / y_ticks[-1] * (HEIGHT - TOP - BOTTOM), 1)

    bottom, right = y(0), x(x_ticks[-1])
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" width="{WIDTH}" height="{HEIGHT}">',
        '<g font-family="sans-serif" font-size="12" fill="#333333">',
        f"<title>{escape(title)}</title>",
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="#ffffff"/>',
        _text(LEFT, TOP - 18, title, 'font-size="15"'),
        _text((LEFT + right) / 2, HEIGHT - 10, across, 'text-anchor="middle"'),
        _text(0, 0, up, f'text-anchor="middle" transform="translate(16 {(TOP + bottom) / 2}) rotate(-90)"'),
    ]
    for value in y_ticks:
        parts.append(f'<path d="M{LEFT} {y(value)}H{right}" stroke="#dddddd"/>')
        parts.append(_text(LEFT - 6, y(value) + 4, _shown(value), 'text-anchor="end"'))
    for value in x_ticks:
        parts.append(f'<path d="M{x(value)} {bottom}v5" stroke="#333333"/>')
        parts.append(_text(x(value), bottom + 18, _shown(value), 'text-anchor="middle"'))
    parts.append(f'<path d="M{LEFT} {TOP}V{bottom}H{right}" stroke="#333333" fill="none"/>')
    for number, (name, each) in enumerate(lines.items()):
        colour = COLOURS[number % len(COLOURS)]
        course = " ".join(f"{x(across_)},{y(up_)}" for across_, up_ in each)
        parts.append(f'<polyline points="{course}" stroke="{colour}" stroke-width="2" fill="none"/>')
        parts += [f'<circle cx="{x(across_)}" cy="{y(up_)}" r="3" fill="{colour}"/>' for across_, up_ in each]
        last = each[-1]
        parts.append(_text(x(last[0]) + 8, y(last[1]) + 4, name, f'fill="{colour}"'))
    return "\n".join([*parts, "</g>", "</svg>", ""])


def _text(x: float, y: float, words: str, more: str) -> str:
    return f'<text x="{round(x, 1)}" y="{round(y, 1)}" {more}>{escape(words)}</text>'


def _shown(value: float) -> str:
    return f"{value:,.10g}"
