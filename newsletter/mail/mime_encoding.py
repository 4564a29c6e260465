"""Text to 7-bit mail bytes: quoted-printable and base64 with room for tokens, and encoded header values.

In: text with marks where a reader's token will stand. Out: ASCII that joins with other encoded text and takes the
tokens by plain replacement, the lines staying within RFC 2045's 76. Pure.
"""

from __future__ import annotations

import re
from base64 import b64encode
from email.utils import parseaddr
from itertools import takewhile

from subscriptions.plain_text import UNSAFE, columns

TOKEN_LENGTH = 24  # URL-safe characters: 24 bytes are 32 base64 characters, with nothing left over
_LINE = 75  # columns before the soft line break of quoted-printable
_RUNS = re.compile(r"[ -<>-~]+|[^ -<>-~]")  # of what quoted-printable leaves as it is, or a character that it encodes
_Q_PLAIN = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789!*+-/")
_WORD = 75  # octets in one encoded word (RFC 2047 section 2)
_ATOM = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789!#$%&'*+-/=?^_`{|}~ ")


def encode(text: str, *, marks: tuple[str, ...] = ()) -> list[str]:
    """[quoted-printable, base64] of a piece of a body, in which each mark stays whole and findable."""
    return [quoted_printable(text, marks=marks), base64_text(text, marks=marks)]


def base64_mark(mark: str) -> str:
    """How a mark, or the token in its place, looks in base64."""
    return b64encode(mark.encode("ascii")).decode("ascii")


def quoted_printable(text: str, *, marks: tuple[str, ...] = ()) -> str:
    """RFC 2045 section 6.7, on whole lines: what follows starts at the first column.

    A soft line break never falls inside a character or a mark. A line never starts with a dot (nothing to stuff) nor
    with "From " (nothing for old mailboxes to mangle).
    """
    lines: list[str] = []
    *hard, rest = text.split("\n")
    for line in hard:
        lines += _soft_lines(line, marks=marks, is_open=False)
    if rest:
        lines += _soft_lines(rest, marks=marks, is_open=True)
    return "".join(line + "\r\n" for line in lines)


def _soft_lines(line: str, *, marks: tuple[str, ...], is_open: bool) -> list[str]:
    """One line of text as the lines of its encoding; an open one ends softly, for more text to follow."""
    done: list[str] = []
    current = ""
    for unit in _units(line, marks=marks, is_open=is_open):
        is_whole = unit in marks or unit[0] == "="
        while unit:
            if not current and not is_whole and unit.startswith((".", "From ")):
                current, unit = f"={ord(unit[0]):02X}", unit[1:]
            elif len(current) + (len(unit) if is_whole else 1) > _LINE:
                done.append(current + "=")
                current = ""
            else:
                room = _LINE - len(current)
                current, unit = current + unit[:room], unit[room:]
    return [*done, current + "=" if is_open else current]


def _units(line: str, *, marks: tuple[str, ...], is_open: bool) -> list[str]:
    """What a line is encoded as: runs of plain characters, which may be broken; encoded characters and marks."""
    for mark in marks:
        before, found, after = line.partition(mark)
        if found:
            return [*_units(before, marks=marks, is_open=True), mark, *_units(after, marks=marks, is_open=is_open)]
    last = ["=20"] if line.endswith(" ") and not is_open else []  # white space at an end would be lost
    return [
        unit if " " <= unit[0] <= "~" and unit != "=" else _qp_char(unit)
        for unit in _RUNS.findall(line.removesuffix(" ") if last else line)
    ] + last


def _qp_char(char: str) -> str:
    return "".join(f"={byte:02X}" for byte in char.encode())


def base64_text(text: str, *, marks: tuple[str, ...] = ()) -> str:
    """Base64 lines whose every run is a multiple of three bytes, so that pieces join and a mark has lines of its own.

    The run before a mark is filled up at its last space (in HTML the one inside the tag that carries the link), the
    last run at its end, where a space more is not seen. ValueError: a run with a mark after it has no space to widen.
    """
    runs = [text.replace("\n", "\r\n")]
    found: list[str] = []
    while True:
        places = [(runs[-1].find(mark), mark) for mark in marks if mark in runs[-1]]
        if not places:
            break
        place, mark = min(places)
        runs[-1:] = [runs[-1][:place], runs[-1][place + len(mark) :]]
        found.append(mark)
    lines: list[str] = []
    for run, mark in zip(runs, [*found, ""], strict=True):
        lines += _base64_lines(_filled(run, before_mark=bool(mark)).encode())
        if mark:
            lines.append(base64_mark(mark))
    return "".join(line + "\r\n" for line in lines)


def _filled(run: str, *, before_mark: bool) -> str:
    missing = " " * (-len(run.encode()) % 3)
    if not missing:
        return run
    if not before_mark:
        ending = "\r\n" if run.endswith("\r\n") else ""
        return run.removesuffix("\r\n") + missing + ending
    before, space, after = run.rpartition(" ")
    if not space:
        raise ValueError("a token needs a space somewhere before it, to be widened")
    return before + space + missing + after


def _base64_lines(data: bytes) -> list[str]:
    encoded = b64encode(data).decode("ascii")
    return [encoded[start : start + 76] for start in range(0, len(encoded), 76)]


def header_text(value: str, *, column: int) -> str:
    """An unstructured header value from ``column`` on, folded: as it is when ASCII, else encoded words (RFC 2047).

    ValueError for a character that could end the header; callers clean text first (`prose.one_line`).
    """
    if UNSAFE.search(value) or value != value.strip():
        raise ValueError("a header value holds a control character or outer space")
    words = value.split(" ")
    if value.isascii() and "=?" not in value and "" not in words and all(len(word) <= 60 for word in words):
        return _folded(words, column=column)
    return _encoded_words(value, column=column)


def header_tail(text: str) -> str:
    """What is appended to a header value, with the space before it, which a wide bracket does not need."""
    words = text.split(" ")
    plain = list(takewhile(str.isascii, words))
    # Between two encoded words white space vanishes: where the tail begins with one, it carries its own.
    own = "" if plain or columns(text[0]) == 2 else " "
    rest = own + " ".join(words[len(plain) :])
    return "".join(f" {part}" for part in (*plain, rest and _encoded_words(rest, column=1)) if part)


def _folded(words: list[str], *, column: int) -> str:
    text, used = words[0], column + len(words[0])
    if used > 76 and column > 1:
        text, used = "\r\n " + text, 1 + len(text)
    for word in words[1:]:
        if used + 1 + len(word) > 76:
            text, used = text + "\r\n " + word, 1 + len(word)
        else:
            text, used = text + " " + word, used + 1 + len(word)
    return text


def _encoded_words(value: str, *, column: int) -> str:
    by_quoting = sum(len(_q_char(char)) for char in value) <= len(value.encode()) * 4 // 3
    words: list[str] = []
    room, current = min(_WORD, 76 - column), ""
    for char in value:
        if current and len(_encoded_word(current + char, by_quoting=by_quoting)) > room:
            words.append(_encoded_word(current, by_quoting=by_quoting))
            room, current = _WORD, ""
        current += char
    return "\r\n ".join([*words, _encoded_word(current, by_quoting=by_quoting)])


def _encoded_word(text: str, *, by_quoting: bool) -> str:
    if by_quoting:
        return "=?utf-8?q?" + "".join(map(_q_char, text)) + "?="
    return "=?utf-8?b?" + b64encode(text.encode()).decode("ascii") + "?="


def _q_char(char: str) -> str:
    if char in _Q_PLAIN:
        return char
    return "_" if char == " " else "".join(f"={byte:02X}" for byte in char.encode())


def mailbox(value: str, *, column: int) -> str:
    """A From or Reply-To value: the display name quoted or encoded as it needs, the address bare of any encoding."""
    name, address = parseaddr(value)
    if not address.isascii() or not address.isprintable() or "@" not in address or " " in address:
        raise ValueError(f"not a mail address that can stand in a header: {value!r}")
    if not name:
        return address
    phrase = header_phrase(name, column=column)
    last = len(phrase.rpartition("\r\n")[2]) + (0 if "\r\n" in phrase else column)
    return f"{phrase}{' ' if last + len(address) + 3 <= 78 else chr(13) + chr(10) + ' '}<{address}>"


def header_phrase(name: str, *, column: int) -> str:
    """A display name: bare words, a quoted string, or encoded words."""
    if name.isascii() and name.isprintable() and len(name) <= 50:
        if _ATOM.issuperset(name):
            return name
        return '"' + name.replace("\\", "\\\\").replace('"', '\\"') + '"'
    if UNSAFE.search(name):
        raise ValueError("a display name holds a control character")
    return _encoded_words(name, column=column)
