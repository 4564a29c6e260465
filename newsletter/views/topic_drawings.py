"""Drawings that stand in lists for papers without a picture: one motif and colour for each topic, in ten variants.

In: a topic's slug and a digit. Out: an SVG of 480 x 270, the same for the same address. Reads no row.
"""

from __future__ import annotations

from math import sin, tau
from random import Random
from typing import TYPE_CHECKING

from django.http import HttpResponse
from django.views.decorators.cache import cache_control

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from django.http import HttpRequest

WIDTH, HEIGHT = 480, 270
_SUN = "#ffcc33"


@cache_control(public=True, max_age=30 * 86400)
def topic_drawing(request: HttpRequest, slug: str, variant: int) -> HttpResponse:
    """Serve the drawing of a topic. Any slug has one, so that a topic that is gone breaks no page."""
    return HttpResponse(drawing(slug, variant), content_type="image/svg+xml")


def drawing(slug: str, variant: int) -> str:
    """Return the drawing as SVG; its colour and motif are those of the slug, its places those of the variant."""
    of_topic, draw = Random(slug), Random(f"{slug} {variant}")  # noqa: S311  (nothing secret)
    hue, motif = of_topic.randrange(360), of_topic.choice(_MOTIFS)
    shapes = "".join(motif(draw))
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{HEIGHT}" viewBox="0 0 {WIDTH} {HEIGHT}">'
        f'<rect width="100%" height="100%" fill="hsl({hue},28%,27%)"/>'
        f'<g fill="none" stroke="hsl({hue},48%,74%)" stroke-width="3" stroke-linecap="round">{shapes}</g></svg>'
    )


def _network(draw: Random) -> Iterator[str]:
    points = [(draw.randrange(30, WIDTH - 30), draw.randrange(30, HEIGHT - 30)) for _ in range(13)]
    for x, y in points:
        for other, beside in sorted(points, key=lambda at: (at[0] - x) ** 2 + (at[1] - y) ** 2)[1:3]:
            yield f'<path d="M{x} {y}L{other} {beside}" opacity=".55"/>'
    for place, (x, y) in enumerate(points):
        fill = "hsl(0,0%,100%)" if place else _SUN
        yield f'<circle cx="{x}" cy="{y}" r="{draw.randrange(6, 13)}" stroke="none" fill="{fill}"/>'


def _waves(draw: Random) -> Iterator[str]:
    for line in range(7):
        phase, height, length = draw.random() * tau, draw.randrange(8, 30), draw.randrange(120, 320)
        level = 45 + line * 30
        points = (f"{x} {level + height * sin(phase + x / length * tau):.0f}" for x in range(-12, WIDTH + 13, 12))
        yield f'<path d="M{"L".join(points)}"{_bright(line == 3)}/>'


def _rings(draw: Random) -> Iterator[str]:
    x, y = draw.randrange(120, 360), draw.randrange(90, 180)
    for ring in range(8):
        dash = f"{draw.randrange(40, 260)} {draw.randrange(14, 60)}"
        yield f'<circle cx="{x}" cy="{y}" r="{18 + ring * 30}" stroke-dasharray="{dash}"{_bright(ring == 2)}/>'


def _tiles(draw: Random) -> Iterator[str]:
    bright = draw.randrange(60)
    for tile in range(60):
        x, y = 25 + tile % 10 * 44, 16 + tile // 10 * 41
        fill = _SUN if tile == bright else "hsl(0,0%,100%)"
        opacity = 1 if tile == bright else round(draw.random() ** 2 * 0.7, 2)
        yield f'<rect x="{x}" y="{y}" width="34" height="34" rx="5" stroke="none" fill="{fill}" opacity="{opacity}"/>'


def _bars(draw: Random) -> Iterator[str]:
    level, bright = draw.randrange(60, 140), draw.randrange(14)
    for bar in range(14):
        level = min(max(level + draw.randrange(-45, 50), 25), 215)
        fill = _SUN if bar == bright else "hsl(0,0%,100%)"
        opacity = 1 if bar == bright else 0.42
        place = f'x="{24 + bar * 31}" y="{245 - level}" width="22" height="{level}"'
        yield f'<rect {place} rx="3" stroke="none" fill="{fill}" opacity="{opacity}"/>'


def _tree(draw: Random) -> Iterator[str]:
    bright = draw.randrange(16)
    for depth in range(1, 5):
        y, step = 30 + depth * 52, WIDTH / 2**depth
        for place in range(2**depth):
            x, above = (place + 0.5) * step, (place // 2 + 0.5) * step * 2
            if depth < 4 or place == bright or draw.random() < 0.6:
                is_bright = place == bright >> 4 - depth
                yield f'<path d="M{above} {y - 52}C{above} {y - 15} {x} {y - 37} {x} {y}"{_bright(is_bright)}/>'


def _bright(is_bright: bool) -> str:
    return f' stroke="{_SUN}" stroke-width="6"' if is_bright else ""


_MOTIFS: tuple[Callable[[Random], Iterator[str]], ...] = (_network, _waves, _rings, _tiles, _bars, _tree)
