"""Pictures for the made-up papers, of our own drawing: each a figure such as papers open with, of made-up numbers.

In: made-up papers without a picture. Out: files as of any picture, and their names on the papers. Every third goes
without, so that lists show what stands in its place. Safe to repeat.
"""

from __future__ import annotations

import io
from math import exp, sin
from random import Random
from typing import TYPE_CHECKING

from newsletter.catalogue import pictures
from newsletter.catalogue.sources import sample_papers
from newsletter.models import Paper

if TYPE_CHECKING:
    from collections.abc import Callable

    from PIL.ImageDraw import ImageDraw

_SIZE = (960, 540)  # twice what is kept, for smooth edges
_LEFT, _TOP, _RIGHT, _BOTTOM = 90, 60, 900, 470
_INK, _FAINT = "#191917", "#dedcd4"
_COLOURS = ("#1f6f8b", "#c8553d", "#7a5200", "#4a7c59", "#6d4c91")


def draw_for_all() -> int:
    """Draw the picture of each made-up paper that lacks one; returns how many."""
    lacking = Paper.objects.filter(organization=sample_papers.MADE_UP, picture="").order_by("title")
    drawn = [title for title in lacking.values_list("title", flat=True) if Random(title).random() < 2 / 3]  # noqa: S311
    for title in drawn:
        name = pictures.keep(figure(title), of=title)
        Paper.objects.filter(title=title, organization=sample_papers.MADE_UP).update(picture=name)
    return len(drawn)


def figure(title: str) -> bytes:
    """Return the figure as PNG; the same title has the same one."""
    from PIL import Image, ImageDraw

    image = Image.new("RGB", _SIZE, "white")
    pen, numbers = ImageDraw.Draw(image), Random(title)  # noqa: S311  (nothing secret)
    numbers.choice(_FIGURES)(pen, numbers)
    written = io.BytesIO()
    image.save(written, "PNG")
    return written.getvalue()


def _axes(pen: ImageDraw) -> None:
    for level in range(_TOP, _BOTTOM, 82):
        pen.line((_LEFT, level, _RIGHT, level), fill=_FAINT, width=2)
    pen.line((_LEFT, _TOP, _LEFT, _BOTTOM, _RIGHT, _BOTTOM), fill=_INK, width=4)


def _curves(pen: ImageDraw, numbers: Random) -> None:
    _axes(pen)
    for colour in numbers.sample(_COLOURS, 3):
        end, speed, rough = numbers.uniform(0.35, 0.95), numbers.uniform(1.5, 7), numbers.uniform(2, 12)
        points = []
        for x in range(_LEFT, _RIGHT + 1, 9):
            done = (x - _LEFT) / (_RIGHT - _LEFT)
            reached = end * (1 - exp(-speed * done)) * (_BOTTOM - _TOP) + rough * sin(done * 40 + speed)
            points.append((x, _BOTTOM - reached))
        pen.line(points, fill=colour, width=7, joint="curve")


def _bars(pen: ImageDraw, numbers: Random) -> None:
    _axes(pen)
    pair = numbers.sample(_COLOURS, 2)
    for group in range(6):
        for place, colour in enumerate(pair):
            x = _LEFT + 34 + group * 132 + place * 44
            height = numbers.uniform(0.2, 0.6) + 0.25 * place
            pen.rectangle((x, _BOTTOM - height * (_BOTTOM - _TOP), x + 40, _BOTTOM - 3), fill=colour)


def _scatter(pen: ImageDraw, numbers: Random) -> None:
    _axes(pen)
    for colour in numbers.sample(_COLOURS, 3):
        x, y = numbers.uniform(_LEFT + 150, _RIGHT - 150), numbers.uniform(_TOP + 90, _BOTTOM - 90)
        for _ in range(45):
            at, over = x + numbers.gauss(0, 60), y + numbers.gauss(0, 38)
            if _LEFT + 12 < at < _RIGHT and _TOP < over < _BOTTOM - 12:
                pen.ellipse((at - 8, over - 8, at + 8, over + 8), fill=colour)


def _squares(pen: ImageDraw, numbers: Random) -> None:
    across, down = 18, 10
    for column in range(across):
        for row in range(down):
            near = exp(-abs(column / across - row / down) * numbers.uniform(2, 7))
            shade = (int(255 - 224 * near), int(255 - 144 * near), int(255 - 116 * near))
            x, y = 30 + column * 50, 20 + row * 50
            pen.rectangle((x, y, x + 46, y + 46), fill=shade)


def _layers(pen: ImageDraw, numbers: Random) -> None:
    before: list[tuple[float, float]] = []
    for layer in range(4):
        many = numbers.randrange(3, 7)
        nodes = [(130 + layer * 233.0, _TOP + (place + 0.5) * 420 / many) for place in range(many)]
        for x, y in nodes:
            for other, beside in before:
                pen.line((other, beside, x, y), fill=_FAINT, width=3)
        for x, y in [*before, *nodes]:
            pen.ellipse((x - 22, y - 22, x + 22, y + 22), fill=_COLOURS[layer if (x, y) in nodes else layer - 1])
        before = nodes


_FIGURES: tuple[Callable[[ImageDraw, Random], None], ...] = (_curves, _bars, _scatter, _squares, _layers)
