"""Text becomes the words that search compares: folded, cut at everything that is no letter or digit, stemmed.

In: any text. Out: words and stems, the same for papers and queries and on both databases, which only store and look
up what is made here. Pure.
"""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache

# Compared neither in papers nor in queries. Besides the ones of the language: what every abstract says of itself.
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
_APOSTROPHE = re.compile(r"(?<=\w)['’](?=\w)")  # it's becomes its
_LONGEST = 40  # letters; what is longer is no word


def fold(text: str) -> str:
    """Without case, accents and compatibility forms: Müller is muller."""
    plain = unicodedata.normalize("NFKD", text.translate(_LIGATURES))
    return "".join(letter for letter in plain if not unicodedata.combining(letter)).casefold()


def words_of(text: str) -> list[str]:
    """Every word in order, as it is written but folded. Of pre-training there are pre, training and pretraining."""
    plain = _IN_TWO.sub(r"\1 \2 \1\2", _APOSTROPHE.sub("", fold(text)))
    return [word[:_LONGEST] for word in _WORD.findall(plain)]


def stems_of(text: str) -> list[str]:
    """The stems of the words that tell something, in order."""
    return [stem(word) for word in words_of(text) if word not in STOP_WORDS]


# --- Porter's stemmer (M. F. Porter, An algorithm for suffix stripping, Program 14(3), 1980) --------------------------

_C, _V = "[^aeiou]", "[aeiouy]"
_CC, _VV = f"{_C}[^aeiouy]*", f"{_V}[aeiou]*"
_MEASURE_OVER_0 = re.compile(f"^(?:{_CC})?{_VV}{_CC}")
_MEASURE_IS_1 = re.compile(f"^(?:{_CC})?{_VV}{_CC}(?:{_VV})?$")
_MEASURE_OVER_1 = re.compile(f"^(?:{_CC})?{_VV}{_CC}{_VV}{_CC}")
_HAS_VOWEL = re.compile(f"^(?:{_CC})?{_V}")
_SHORT_END = re.compile(f"^{_CC}{_V}[^aeiouwxy]$")
_DOUBLE = re.compile(r"([^aeiouylsz])\1$")
_STEP_2 = {
    "ational": "ate", "tional": "tion", "enci": "ence", "anci": "ance", "izer": "ize", "abli": "able", "alli": "al",
    "entli": "ent", "eli": "e", "ousli": "ous", "ization": "ize", "ation": "ate", "ator": "ate", "alism": "al",
    "iveness": "ive", "fulness": "ful", "ousness": "ous", "aliti": "al", "iviti": "ive", "biliti": "ble", "logi": "log",
}  # fmt: skip
_STEP_3 = {"icate": "ic", "ative": "", "alize": "al", "iciti": "ic", "ical": "ic", "ful": "", "ness": ""}
_STEP_4 = re.compile(
    r"(.+?)(?:ement|ance|ence|able|ible|ment|ant|ent|ism|ate|iti|ous|ive|ize|al|er|ic|ou|(?<=[st])ion)$"
)
_ENDS_2 = re.compile(f"(.+?)({'|'.join(sorted(_STEP_2, key=len, reverse=True))})$")
_ENDS_3 = re.compile(f"(.+?)({'|'.join(sorted(_STEP_3, key=len, reverse=True))})$")


@lru_cache(maxsize=50_000)
def stem(word: str) -> str:
    """What a word shares with its other forms: decoding, decoder and decoded are decod."""
    if len(word) < 3 or not word.isalpha():
        return word
    return _without_end(_without_derivation(_without_inflection(word)))


def _without_inflection(word: str) -> str:
    if word.endswith(("sses", "ies")):
        word = word[:-2]
    elif word.endswith("s") and not word.endswith(("ss", "us", "is")):
        word = word[:-1]
    if word.endswith("eed"):
        word = word[:-1] if _MEASURE_OVER_0.match(word[:-3]) else word
    else:
        for end in ("ed", "ing"):
            rest = word.removesuffix(end)
            if rest != word and _HAS_VOWEL.match(rest):
                word = _mended(rest)
                break
    if word.endswith("y") and _HAS_VOWEL.match(word[:-1]):
        word = word[:-1] + "i"
    return word


def _mended(rest: str) -> str:
    if rest.endswith(("at", "bl", "iz")):
        return rest + "e"
    if _DOUBLE.search(rest):
        return rest[:-1]
    return rest + "e" if _SHORT_END.match(rest) and _MEASURE_IS_1.match(rest) else rest


def _without_derivation(word: str) -> str:
    for ends, instead in ((_ENDS_2, _STEP_2), (_ENDS_3, _STEP_3)):
        if (found := ends.match(word)) and _MEASURE_OVER_0.match(found[1]):
            word = found[1] + instead[found[2]]
    if (found := _STEP_4.match(word)) and _MEASURE_OVER_1.match(found[1]):
        word = found[1]
    return word


def _without_end(word: str) -> str:
    if word.endswith("e"):
        rest = word[:-1]
        if _MEASURE_OVER_1.match(rest) or (_MEASURE_IS_1.match(rest) and not _SHORT_END.match(rest)):
            word = rest
    if word.endswith("ifi"):  # classify and classification: Porter leaves them apart
        return word[:-1]
    return word[:-1] if word.endswith("ll") and _MEASURE_OVER_1.match(word[:-1]) else word
