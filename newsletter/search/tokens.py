"""Tokens that search compares: text is folded, split at everything that is no letter or digit, and stemmed.

In: any text. Out: words and stems, the same for papers and queries and on both databases, which only store and look
up what is made here. Pure.
"""

from __future__ import annotations

import re
import unicodedata
from functools import cache, lru_cache
from typing import Any

# Stop words, in papers and queries: those of English, and what every abstract says.
_NOTHING_TELLING = """
    a about above across after all almost along also although am among an and any are arent around as at be became
    because been before being below between both but by can cant could did do does doing done down due during each
    either else etc even ever every few for from further get gets getting give given gives go goes got had has have
    having he hence her here him his how however i if in into is isnt it its itself just let lets like made make
    makes making many may me might more most much must my neither no nor not now of off often on once one ones only
    onto or other others our out over own paper papers per please propose proposed rather s same shall she should
    show shows since so some somebody someone something still such t than that the their them then there these they
    thing things this those though through thus to too toward towards under until up upon us use used uses using
    very via want wants was way ways we well were what when where whether which while who whom whose why will with
    within without would yet you your
"""
STOP_WORDS = frozenset(_NOTHING_TELLING.split())
_WORD = re.compile(r"[a-z0-9]+(?:\+\+|#)?")
_IN_TWO = re.compile(r"(?<![a-z0-9-])([a-z]+)-([a-z]+)(?![a-z0-9-])")
_LIGATURES = str.maketrans(
    {"ß": "ss", "ø": "o", "Ø": "O", "ł": "l", "Ł": "L", "æ": "ae", "Æ": "AE", "đ": "d", "\u0131": "i"}
)
_ALPHABET = (
    "alpha beta gamma delta epsilon zeta eta theta iota kappa lambda mu nu xi omicron pi rho sigma sigma tau upsilon"
)
_GREEK = dict(zip("αβγδεζηθικλμνξοπρςστυφχψω", f"{_ALPHABET} phi chi psi omega".split(), strict=True))
# Letters of formulas, and the letters that follow as in μFlow. A longer run is a word of Greek.
_GREEK_LETTERS = re.compile(r"(?<![α-ω])([α-ω]{1,4})(?![α-ω])([a-z]*)")
_SCRIPT = re.compile(r"(?<=[a-z0-9])(?:\^(?=[a-z0-9])|_(?=[0-9]))")  # x^3 and x_3 are x3, as x³ is
_APOSTROPHE = re.compile(r"(?<=\w)['’](?=\w)")  # it's becomes its
_LONGEST = 40  # letters; what is longer is no word


def fold(text: str) -> str:
    """Return the text without case, accents and compatibility forms: Müller is muller."""
    plain = unicodedata.normalize("NFKD", text.translate(_LIGATURES))
    return "".join(letter for letter in plain if not unicodedata.combining(letter)).casefold()


def words_of(text: str) -> list[str]:
    """Return every folded word in order. pre-training gives pre, training and pretraining; μFlow mu, flow, muflow."""
    spelt = _SCRIPT.sub("", _GREEK_LETTERS.sub(_spelt_out, fold(text)))
    plain = _IN_TWO.sub(r"\1 \2 \1\2", _APOSTROPHE.sub("", spelt))
    return [word[:_LONGEST] for word in _WORD.findall(plain)]


def _spelt_out(found: re.Match[str]) -> str:
    """Return the names of Greek letters: αβ is alpha beta, π0 is pi0."""
    *names, last = (_GREEK[letter] for letter in found[1])
    return " ".join(["", *names, last, found[2], last + found[2]] if found[2] else ["", *names, last])


def stems_of(text: str) -> list[str]:
    """Return the stems of all words but stop words, in order."""
    return [stem(word) for word in words_of(text) if word not in STOP_WORDS]


@lru_cache(maxsize=50_000)
def stem(word: str) -> str:
    """Return the stem of a word: decoding, decoder and decoded are decod."""
    if len(word) < 3 or not word.isalpha():
        return word
    found: str = _stemmer().stemWord(word)
    return found[:-1] if found.endswith("ifi") else found  # classify and classification


@cache
def _stemmer() -> Any:
    import snowballstemmer  # brings thirty languages along; not every run needs it

    return snowballstemmer.stemmer("english")
