"""The picture that stands for a paper where somebody shares its link: its title and topic in our colours.

In: text, and the paper's picture where there is one. Out: a PNG of 1200 x 630, or None for text that our one font
cannot draw (Chinese, Arabic, emoji …): empty boxes would be worse than the site's own picture. Pure; the same text
gives the same picture. The font is Noto Serif Bold (data/fonts/OFL.txt), cut down to Latin, Greek and Cyrillic letters
with their signs.
"""

from __future__ import annotations

import io
import unicodedata
from bisect import bisect_left
from contextlib import suppress
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:  # loaded by the function that draws: most processes never do
    from PIL.Image import Image
    from PIL.ImageDraw import ImageDraw
    from PIL.ImageFont import FreeTypeFont

SIZE = (1200, 630)
LONGEST = 300  # characters; the rest would not be legible
_FONT = Path(__file__).resolve().parents[1] / "data" / "fonts" / "NotoSerif-Bold.ttf"
_PAPER, _INK, _SOFT, _SUN = "#fbfbf9", "#191917", "#55534c", "#ffcc33"
_LEFT, _RIGHT, _TOP, _BOTTOM = 84, 1116, 96, 470  # what the title may fill
_PICTURE, _PLACE, _BESIDE = (432, 243), (684, 110), 560  # pixels: a picture, where, and the title's width beside it
_SIZES = (72, 64, 56, 50, 44, 38)  # the largest that fits is taken
_LEADING = 1.24
_MISSING = "\uffff"  # is no character, so every font draws its box for it


def can_draw(text: str) -> bool:
    """Whether the font has every letter. Combining marks are refused: not every machine has a shaper."""
    shown = _readable(text)
    return bool(shown) and all(_has(letter) for letter in set(shown))


@lru_cache(maxsize=32)
def draw(title: str, topic: str, site: str, picture: bytes = b"") -> bytes | None:
    """Return the card as PNG; the picture stands at the right, and the title beside it. None: see `can_draw`."""
    from PIL import Image, ImageDraw

    shown, topic, site = _readable(title), _readable(topic), _readable(site)
    if not can_draw(shown):
        return None
    image = Image.new("RGB", SIZE, _PAPER)
    pen = ImageDraw.Draw(image)
    pen.rectangle((0, 0, SIZE[0], 20), fill=_SUN)
    shown_picture = _small(picture)
    lines, size = _fitted(pen, shown, width=_BESIDE if shown_picture else _RIGHT - _LEFT)
    if shown_picture:
        image.paste(shown_picture, (_RIGHT - shown_picture.width, _TOP + 14))
        pen.rectangle(
            (_RIGHT - shown_picture.width, _TOP + 14, _RIGHT, _TOP + 14 + shown_picture.height), outline=_SOFT
        )
    for number, line in enumerate(lines):
        pen.text((_LEFT, _TOP + number * size * _LEADING), line, font=_font(size), fill=_INK)
    image.paste(_mark(52), (_LEFT, 530))
    end = _LEFT + 68.0
    if can_draw(site):
        pen.text((end, 556), site, font=_font(34), fill=_INK, anchor="lm")
        end += pen.textlength(site, font=_font(34))
    if can_draw(topic) and pen.textlength(topic, font=_font(28)) < _RIGHT - end - 40:
        pen.text((_RIGHT, 556), topic, font=_font(28), fill=_SOFT, anchor="rm")
    png = io.BytesIO()
    colours = 255 if shown_picture else 32
    image.convert("P", palette=Image.Palette.ADAPTIVE, colors=colours).save(png, "PNG", optimize=True)
    return png.getvalue()


def _small(picture: bytes) -> Image | None:
    """The picture in its size on the card; None where there is none, or its file is damaged."""
    from PIL import Image

    with suppress(OSError):
        if picture:
            return Image.open(io.BytesIO(picture)).convert("RGB").resize(_PICTURE, Image.Resampling.LANCZOS)
    return None


def _readable(text: str) -> str:
    return " ".join(unicodedata.normalize("NFC", text[:LONGEST]).split())


@lru_cache(maxsize=2048)
def _has(letter: str) -> bool:
    if unicodedata.category(letter)[0] in "MC":
        return False
    return letter == " " or bytes(_font(20).getmask(letter)) != bytes(_font(20).getmask(_MISSING))


@lru_cache(maxsize=16)
def _font(size: int) -> FreeTypeFont:
    from PIL import ImageFont

    # The plain layout, not whatever shaper the machine has: the same picture everywhere.
    return ImageFont.truetype(str(_FONT), size, layout_engine=ImageFont.Layout.BASIC)


def _fitted(pen: ImageDraw, title: str, *, width: int) -> tuple[list[str], int]:
    """The lines at the largest size that holds them all; at the smallest, what does not fit ends in an ellipsis."""
    for size in _SIZES:
        lines = _wrapped(pen, title, size, width)
        room = int((_BOTTOM - _TOP) / (size * _LEADING))
        if len(lines) <= room:
            return lines, size
    *kept, last = lines[:room]
    while pen.textlength(f"{last}…", font=_font(size)) > width:
        last = last[:-1]
    return [*kept, last.rstrip(" ,.:;-–") + "…"], size


def _wrapped(pen: ImageDraw, text: str, size: int, width: int) -> list[str]:
    """Break text into lines between words, within a word only where it is wider than a whole line."""
    lines = [""]
    for word in text.split(" "):
        longer = f"{lines[-1]} {word}".lstrip()
        if _fits(pen, longer, size, width):
            lines[-1] = longer
            continue
        rest = word
        if lines[-1]:
            lines.append("")
        while not _fits(pen, rest, size, width):
            cut = _letters_of_a_line(pen, rest, size, width)
            lines[-1], rest = rest[:cut], rest[cut:]
            lines.append("")
        lines[-1] = rest
    return lines


def _letters_of_a_line(pen: ImageDraw, word: str, size: int, width: int) -> int:
    """Number of letters that fit on a line, at least one; found by halves, since an endless word would take seconds."""
    return 1 + bisect_left(range(2, len(word)), True, key=lambda end: not _fits(pen, word[:end], size, width))


def _fits(pen: ImageDraw, text: str, size: int, width: int) -> bool:
    return pen.textlength(text, font=_font(size)) <= width


def _mark(size: int) -> Image:
    """The mark of static/newsletter/mark.svg, 32 units wide; drawn large and made small, for smooth edges."""
    from PIL import Image, ImageDraw

    scale = 16
    large = Image.new("RGB", (32 * scale, 32 * scale), _PAPER)
    pen = ImageDraw.Draw(large)

    def at(*places: float) -> list[float]:
        return [place * scale for place in places]

    pen.rounded_rectangle(at(0, 0, 32, 32), radius=7 * scale, fill=_SUN)
    pen.rounded_rectangle(at(7, 5, 12, 27), radius=1.5 * scale, fill=_INK)
    pen.polygon(at(13.5, 5, 26, 5, 26, 15.5, 21.5, 20, 13.5, 20), fill=_INK)
    pen.rectangle(at(16, 8.5, 23.5, 10.5), fill=_SUN)
    pen.rectangle(at(16, 12.5, 21, 14.5), fill=_SUN)
    return large.resize((size, size), Image.Resampling.LANCZOS)
