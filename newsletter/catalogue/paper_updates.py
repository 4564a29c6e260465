"""What later versions of a paper change: sentences of its abstract, and where it was accepted. Pure.

In: two abstracts, or the comment that authors give arXiv. Out: parts of these, word for word; empty when there is
nothing that is clearly so. A comment claims much that is not acceptance of this paper: submissions, earlier versions,
the work it is based on.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from difflib import SequenceMatcher
from itertools import islice

from newsletter.catalogue.key_sentence import spans

NOW, GONE = 2, 1  # sentences told of one version
LONGEST = 400  # characters of a sentence told
_SAME, _REPLACED = 0.9, 0.5  # likeness of two sentences in words
_CLAIM_LENGTH = 200
_WORD = re.compile(r"\w+")
_NUMBER = re.compile(r"\d+")

_CLAIM = re.compile(
    r"\b(?:(?:early|provisionally) )?accepted(?: and (?:presented|published))? (?:\w+ ){0,3}?(?:to|at|by|in|for|as) |"
    r"\b(?:to appear|to be (?:published|presented)|in press|published|presented) (?:at|in) ",
    re.IGNORECASE,
)
_ENDS = re.compile(
    r"[;|\n]|[.,(]?\s*https?:|(?:(?<=[^\W\d_]{5})|(?<=[\d)]))\.(?:\s|$)|,?\s+-?\s*\d+ (?:\w+ )?(?:pages|pp|figures)\b|"
    r"[.,]? (?:code|project page)\b",
    re.IGNORECASE,
)
_SENTENCE = re.compile(r"[;|\n]|(?<=[\w)]{3})\.\s")
_NOT_THIS = re.compile(
    r"\b(?:not|never|if|once|unless|rejected|extended|extends|extension|preliminary|earlier|previous(?:ly)?|based on|"
    r"part(?:s|ly)?|portions?|companion|(?<!final )version of|sequel|"
    r"(?:conference|journal|workshop|short|shorter|longer|early|first|initial) version|same authors)\b",
    re.IGNORECASE,
)
_UNLESS = re.compile(r"\b(?:subject to|revisions?|withdrawn|rejected|github|if|but)\b", re.IGNORECASE)
_HOPED = re.compile(r"\b(?:submitted|submission|under review)\b", re.IGNORECASE)


def acceptance(comment: str) -> str:
    """Return the words of the comment that say at which venue the paper was accepted or is published."""
    text = " ".join(comment.split()) if "\n" not in comment else comment
    for match in _CLAIM.finditer(text):
        before = _SENTENCE.split(text[: match.start()])[-1]
        is_hope = not match.group().lower().startswith(("accepted", "published", "early", "prov")) and _HOPED.search(
            before
        )
        if _NOT_THIS.search(before) or is_hope:
            continue
        end = _ENDS.search(text, match.end())
        claim = text[match.start() : end.start() if end else len(text)][:_CLAIM_LENGTH].rstrip(" ,.-(")
        venue = claim[len(match.group()) :]
        if any(letter.isupper() or letter.isdigit() for letter in venue) and not _UNLESS.search(venue):
            return claim
    return ""


def what_changed(before: str, after: str) -> dict[str, list[str]]:
    """Return the sentences that are new and those that are gone, or nothing when only spelling or layout differ."""
    old, new = _sentences(before), _sentences(after)
    come = {
        words: text for words, text in new.items() if words not in old and not _is_among(words, old.keys() - new.keys())
    }
    gone = {
        words: text
        for words, text in old.items()
        if words not in new and not _is_among(words, new.keys() - old.keys(), least=_REPLACED)
    }
    told = {"now": _first(come.values(), NOW), "gone": _first(gone.values(), GONE)}
    return {name: texts for name, texts in told.items() if texts}


def _sentences(abstract: str) -> dict[tuple[str, ...], str]:
    """Return each sentence of a text by its words alone, without signs and case."""
    texts = (abstract[start:end] for start, end in spans(abstract))
    return {words: text for text in texts if (words := tuple(_WORD.findall(text.casefold())))}


def _is_among(words: tuple[str, ...], others: Iterable[tuple[str, ...]], *, least: float = _SAME) -> bool:
    """Whether one of the others says almost the same, with the same numbers where that much is asked."""
    numbers = [word for word in words if _NUMBER.search(word)]
    return any(
        SequenceMatcher(None, words, other, autojunk=False).ratio() >= least
        and (least < _SAME or numbers == [word for word in other if _NUMBER.search(word)])
        for other in others
    )


def _first(texts: Iterable[str], most: int) -> list[str]:
    return list(islice((text for text in texts if len(text) <= LONGEST), most))
