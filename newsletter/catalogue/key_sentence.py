"""The one sentence of an abstract that says what the paper brings, word for word.

In: title and abstract. Out: a part of the abstract as it stands there. A sentence has features (what it says, how it
begins, how much more than the title, where it stands) and the sum of their weights is its points. Pure; time grows
with the text.

The weights were fitted (logistic, on pairs: the better sentence should get more) to the grades of every sentence of
849 abstracts of arXiv's fields; what those marked "set" tell is rare there. What is listed are words of the genre, none
of a subject. The grades are in tests/data/key_sentence_grades.tsv; tests/bench/bench_key_sentence.py measures by them.
"""

from __future__ import annotations

import re
from collections import Counter
from itertools import pairwise

READ = 6000  # characters of an abstract; arXiv takes a third of that
_OPENS = r"(?:Our|We|The|This|These|To|In|It|As|For|By|However|Moreover|Using|With|On|From|When|Then|Such|They)\b"
_END = re.compile(
    r"[.!?](?:[\"”’)\]}$]|'')*(?=\s+(?:[\"“‘(\[$*]*[^\Wa-z_]|[a-z]+[A-Z]|\\[a-z]+\{|https?:|\$)|\s*$)|[。！？]|"
    r"(?<=\s\.)(?=[A-Z])|(?<=[a-z]{3}\.)(?=[A-Z][a-z]+\s)"
)
_SHORTENED = re.compile(
    r"(?:\b(?:e\.g|i\.e|cf|vs|v\.s|etc|al|resp|approx|ca|incl|Figs?|Eqs?|Secs?|Tab|Vol|Dr|Mr|Ms|Prof|St|Jr|Refs?|Thm|"
    r"w\.r\.t|a\.k\.a|U\.S|Publ|Res|Inst|Math|Sci|Phys|Rev|Lett|Proc|Ann|Comm)|(?:^|[\s(\[~.-])[A-Z])\.$"
)
_NUMBERED = re.compile(r"\b(?:no|nos|seq|pp?|ch|ver)\.$", re.IGNORECASE)
_WORD = re.compile(r"[^\W_]+(?:[-'’][^\W_]+)*")
_COMMAND = re.compile(r"\\[a-zA-Z]+")
_EMPTY_WORDS = frozenset(
    re.findall(
        r"\S+",
        """
    a an the of for to from in on at by with without as and or but nor both either between into onto than via per is
    are was were be been being has have had can could may might will would not no only more most less very we our us it
    its they their this that these those which who whose while where when if then also such show shows shown demonstrate
    demonstrates propose proposes proposed present presents presented introduce introduces introduced develop paper work
    study article approach method methods model models framework novel new results experiments experimental extensive
    using use used based achieve achieves performance existing there here thus hence however how what through across
    over under both further significantly effectively effective efficient state-of-the-art towards toward some any all
    each other one two
        """,
    )
)
_PAPER = (
    r"(?:paper|work|study|survey|report|article|letter|note|thesis|review|manuscript|dissertation|tutorial|chapter)"
)
_WHO = (
    rf"\b(?<!that )(?<!which )(?<!as )(?:we|i|this (?:\w+ )?{_PAPER})"
    r"(?: \w+ly| (?:then|also|first|further|here|next|therefore|thus|instead|will|have|has))?(?: (?:\w+ )?and)?\s+"
)


def _any(*patterns: str) -> re.Pattern[str]:
    return re.compile("|".join(patterns), re.IGNORECASE)


_PROPOSES = _any(
    _WHO + r"(?:(?:present|propose|introduce|develop|release|build|design|offer|create|devise|describe|outline|curate|"
    r"recast|reformulate|formulate|formali[sz]e)s?|presented|proposed|introduced|developed)\b",
    rf"^(?:in (?:this|the present) (?:\w+ )?{_PAPER}|here)\b[^.;]{{1,160}}\b(?:is|are|(?:has|have) been) "
    r"(?:presented|proposed|introduced|developed)\b",
)
_FINDS = _any(
    _WHO + r"(?:(?:show|find|demonstrate|report|reveal|discover|observe|establish|argue|conclude|determine|uncover|"
    r"detect|constrain|resolve|predict)s?|identif(?:y|ies)|found|showed|demonstrated|observed|measured|establishes)\b",
    r"\bit is (?:shown|proved|proven|found|demonstrated)\b",
)
_PROVES = _any(
    _WHO + r"(?:(?:prove|derive|obtain|construct|characteri[sz]e|generali[sz]e|extend|give|compute|calculate|solve|"
    r"bound|define|improve)s?|(?:classif|unif)(?:y|ies)|proved|derived|obtained|constructed)\b",
    r"\b(?:is|are) (?:proved|proven|derived|established|obtained|constructed)\b",
    rf"^this {_PAPER} (?!(?:is|was|has|also|aims|highlights)\b)\w+s\b",
)
_STUDIES = _any(
    _WHO + r"(?:stud(?:y|ies|ied)|(?:investigate|explore|revisit|examine|analy[sz]e)[sd]?|(?:review|survey|consider|"
    r"ask|rethink|tackle|evaluate)s?|address(?:es)?|focus(?:es)?|aims?)\b",
    r"\b(?:investigate|study|analy[sz]e|examine|evaluate|consider|aims?)\b",
)
# What a review or a position paper announces: its contribution, where nothing is proposed, found or proved.
_REVIEWS = _any(
    _WHO + r"(?:(?:investigate|explore|revisit|examine|review|survey|consider|outline|analy[sz]e|evaluate|aim)[sd]?|"
    r"stud(?:y|ies|ied)|discuss(?:es)?|focus(?:es)?|address(?:es)?)\b",
    rf"\bin this {_PAPER},? we\b",
)
_USES = _any(
    _WHO + r"(?:(?:use|employ|evaluate|train|compare|collect|conduct|perform|benchmark|test|leverage|adopt|run|"
    r"measure|combine)s?|appl(?:y|ies)|performed|conducted)\b"
)
_SETS_UP = _any(
    r"^(?:we|i) (?:evaluate|conduct|test|benchmark|perform|validate|run|assess|apply|compare|carry)\b",
    r"\b(?:is|are|was|were) (?:evaluated|validated|tested|conducted|collected|trained|pretrained|split)\b",
)
_EVIDENCE = _any(
    r"\b(?:results?|experiments?|findings?|analys[ei]s|evaluations?|evidence|simulations?|study|tests?)\b[^.;:]{0,60}"
    r"\b(?:shows?|demonstrates?|indicates?|reveals?|suggests?|confirms?|find)\b"
)
_RESULT = _any(
    r"\b(?:outperform\w*|surpass\w*|exceed\w*|improv\w+|reduc\w+|increas\w+|decreas\w+|achiev\w+|reach\w*|attain\w*|"
    r"yield\w*|speed-?ups?|accelerat\w+|sav(?:es|ing|ings)|cut(?:s|ting)?|boost\w*|gains?|lower(?:s|ing)?|drops?|"
    r"halv\w+|doubl\w+|match(?:es|ing)|rais(?:es|ing)|recovers?)\b"
)
_AMOUNT = _any(
    r"(?<![\d.,\w-])\d[\d.,]{0,15}\s?(?:\\?%|[x\u00d7]\b|\$?\\times|percent|per cent|-?fold|times|points?|pp\b|dB\b|"
    r"sigma|\u03c3)",
    r"\bfrom \$?[\d.]{1,12}\S{0,12} to \$?\d",
    r"\b(?:by|to|of|as low as|at least|only) (?:up to |about |over |nearly |more than |an average of )?"
    r"[~$+\u223c-]{0,2}\d",
)
_NUMBER = re.compile(r"\d+(?:\.\d+)?")
_OVER = _any(r"\b(?:than|over|compared (?:to|with)|versus|vs\.?|baselines?|relative to|against)\b")
_CLAIM = _any(
    r"\b(?:outperform\w*|surpass\w*|superior\w*|state[- ]of[- ]the[- ]art|SOTA|effective\w*|improv\w+|robust\w*|"
    r"consistent\w*|competitive|strong|performance|gains?)\b"
)
_COINED = re.compile(r"\b(?:[A-Z]\w*[A-Z0-9][\w+.-]*|[A-Z][a-z]+[A-Z]\w*)\b")
_TITLE_NAME = re.compile(r"([\w+.*$^{}\\-]{2,30}(?: [\w+.-]{1,12})?)\s?[:：]")  # "ReportQA: …"
_GIVEN_NAME = re.compile(
    r"(?:propose|present|introduce|develop|call|release|build|design)\w* (?:\\\w+\{)?(?:the |a |an |\w+ ){0,2}?"
    r"(?:\\\w+\{)*\**([A-Z][\w$^{}+.-]*)|\(([A-Z][\w-]{2,14}[A-Z0-9][\w-]*)\)"
)
# Headings of a structured abstract; what follows belongs to them until the next.
_HEADING = re.compile(
    r"(?:(?P<outcome>results?|(?:key |main )?findings?|conclusions?|interpretation)|background|introduction|context|"
    r"motivation|objectives?|aims?|purpose|(?:materials and )?methods?|design|setting|significance)\s*:\s+",
    re.IGNORECASE,
)

# What a sentence says or how it begins: yes or no.
_SAYS: dict[str, re.Pattern[str]] = {
    "an amount": _AMOUNT,
    "claim": _CLAIM,
    "in this paper": _any(rf"^(?:in this (?:\w+ )?{_PAPER}|here)\b"),
    "by or on something": _any(
        r"^(?:by|using|with|through|under|on|across|in|for|given|at|when|starting|built|combining|leveraging|applied|"
        r"evaluated|operating|compared) [^,]{6,120}, "
    ),
    "we": re.compile(r"^(?:We|I|Our) "),
    "studies": _STUDIES,
    "leans": _any(
        r"^(?:however|moreover|furthermore|additionally|in addition|also|besides|finally|lastly|second(?:ly)?|"
        r"third(?:ly)?|then|next|for (?:example|instance)|as a (?:result|consequence|check|by-?product)|consequently|"
        r"in (?:contrast|turn|particular|this way|doing so|so doing|parallel|a similar vein)|specifically|concretely|"
        r"notably|similarly|conversely|meanwhile|nevertheless|nonetheless|accordingly|hence|thus|therefore|otherwise|"
        r"indeed|instead|first(?:ly)?|crucially|importantly|remarkably|more \w+ly|together|overall|technically)\b"
    ),
    "pronoun": _any(rf"^(?:it|they|these|those|such|its|their|both|this (?!(?:\w+ )?{_PAPER}))\b"),
    "points back": _any(
        rf"\b(?:this|these|those|such) (?!{_PAPER})\w+",
        r"\b(?:present|propose|call|view|frame) this\b|\bthe (?:above|former|latter|resulting)\b",
    ),
    "our method": _any(
        r"^the (?:former|latter|first|second|other|same|resulting|key|core|main|results?|system|framework|method|model|"
        r"approach|dataset|benchmark|proposed|design|app|library|network|pipeline|analysis|theory)\b",
        r"^our (?:\w+[ -]){0,2}(?:method|approach|framework|model|system|algorithm|pipeline|analysis|results?|"
        r"benchmark|dataset|experiments|findings)",
    ),
    "that": re.compile(" that "),
    "that does": re.compile(r"\b\w+ that (?!is\b|are\b|can\b)\w+s\b"),
    "coined": _COINED,
    "also": _any(r"\b(?:also|further|additional|finally)\b"),
    "link": _any(
        r"https?:|www\.|github|\bcode (?:is|and|will|are|has)\b|\b(?:our|source|with) code\b|\bproject (?:page|site)",
        r"\b(?:publicly|freely|openly) (?:available|released?)|\bavailable (?:at|on)\b|\bwill be (?:released|made)",
        r"\bwe (?:publicly )?release (?:all |our |the )?(?:\w+ ){0,3}(?:code|outputs|data|weights|scripts)\b",
        r"supplementary|accepted (?:at|to|by)",
    ),
    "question": re.compile(r"\?$"),
    "contrast": _any(r"\b(?:rather than|instead of|unlike|without|whereas|while|yet|but not|in contrast)\b"),
    "specifically": _any(
        r"^(?:specifically|concretely|in particular|technically|notably|crucially|at its core|"
        r"the (?:core|key|central|main) (?:idea|insight|innovation|component))\b"
    ),
    "limit": _any(
        r"\b(?:even (?:the|when|with)|only|none|no (?:\w+ )?(?:model|method|single)|fail\w*|below|remain\w*|still|"
        r"despite|struggle\w*|degrade\w*)\b"
    ),
    "finds that": _any(
        r"\b(?:find|found|show|reveal|demonstrate|observe|prove|discover|identify|establish|indicate|suggest)\w* "
        r"(?:\w+ )?that\b"
    ),
    "parts": _any(r"\b(?:modules?|components?|stages?|two|three|four|steps?|phases?|pipeline|architecture)\b"),
}
_WEIGHTS: dict[str, float] = {
    "an amount": 0.7,
    "claim": 0.5,
    "in this paper": 0.4,
    "by or on something": 0.5,
    "we": 0.6,
    "studies": -0.6,
    "leans": -0.3,
    "pronoun": -0.6,  # set
    "points back": -0.3,
    "our method": 0.5,
    "that": 0.4,
    "that does": 0.5,
    "coined": 0.4,
    "also": -0.5,
    "link": -2.0,  # set
    "question": -1.5,  # set
    "result with amount": 0.5,
    "finding": 0.3,
    "claim without amount": -0.7,  # set
    "like the title": 0.7,
    "only the title": -1.5,  # set
    "little beyond the title": -0.4,
    "words that say something": 0.5,
    "length": 0.8,
    "very long": -1.0,  # set
    "nothing": -0.9,
    "repeated": 0.5,
    "place": 0.6,
    "last": -0.8,
    "before any contribution": -1.8,
    "first contribution": 1.0,
    "after the first contribution": 0.5,
    "proposal": 0.9,
    "after a thin proposal": 0.7,
    "contrast": 0.2,
    "specifically": 0.3,
    "limit": 0.2,
    "finds that": 0.5,
    "parts": 0.2,
    "begins with its name": 0.4,
    "announces little": -0.2,
    "beyond the title": 0.3,
    "numbers": 0.7,
    "amount over something": 0.3,
    "very short": -0.4,
    "nothing of the title": -0.3,
}


def key_sentence(title: str, abstract: str) -> str:
    """Return the sentence of the abstract that says best what the paper brings, as it stands there; "" without one."""
    parts = _without_headings(abstract, spans(abstract[:READ]))
    if not parts:
        return ""
    sentences = [abstract[start:end] for start, end, _ in parts]
    points = [
        sum(_WEIGHTS[name] * value for name, value in features.items()) + section
        for features, (_, _, section) in zip(_features(title, sentences), parts, strict=True)
    ]
    return sentences[points.index(max(points))]


def spans(text: str) -> list[tuple[int, int]]:
    """Return where each sentence begins and ends; "e.g.", "et al.", "no. 3" and initials end none."""
    ends = [match.end() for match in _END.finditer(text) if not _is_shortened(text, match)]
    trimmed = []
    for start, end in pairwise([0, *ends, len(text)]):
        part = text[start:end]
        if part.strip():
            trimmed.append((start + len(part) - len(part.lstrip()), start + len(part.rstrip())))
    return trimmed


def _is_shortened(text: str, match: re.Match[str]) -> bool:
    if match.group() != ".":
        return False
    before, after = text[max(0, match.end() - 9) : match.end()], text[match.end() : match.end() + 12].lstrip()
    if _NUMBERED.search(before):
        return after[:1].isdigit()
    return bool(_SHORTENED.search(before)) and not re.match(_OPENS, after)


def _without_headings(abstract: str, found: list[tuple[int, int]]) -> list[tuple[int, int, float]]:
    """Remove headings such as "Results:" from sentences; returns them with the points of their section."""
    section, parts = 0.0, []
    for start, end in found:
        if (heading := _HEADING.match(abstract, start, end)) and heading.end() < end:
            section = 0.5 if heading["outcome"] else -0.8
            start = heading.end()
        parts.append((start, end, section))
    return parts


def _stems(text: str) -> set[str]:
    """Stems of the words that carry meaning: "decoupling" and "decouples" have the same."""
    return {
        word[:6]
        for word in map(str.casefold, _WORD.findall(_COMMAND.sub(" ", text)))
        if word not in _EMPTY_WORDS and len(word) > 1
    }


def _first(sentences: list[str], *patterns: re.Pattern[str]) -> int:
    """Index of the first sentence that matches; -1 when none does."""
    return next((place for place, text in enumerate(sentences) if any(each.search(text) for each in patterns)), -1)


def _names(title: str, proposal: str) -> set[str]:
    """Names of the paper's method or data, from its title and from the sentence that introduces it."""
    found = _TITLE_NAME.match(title), _GIVEN_NAME.search(proposal)
    return {name.strip() for match in found if match for name in match.groups() if name}


def _features(title: str, sentences: list[str]) -> list[dict[str, float]]:
    told, stems = _stems(title), [_stems(sentence) for sentence in sentences]
    often = Counter(stem for each in stems for stem in each)
    proposal, contribution = _first(sentences, _PROPOSES), _first(sentences, _PROPOSES, _FINDS, _PROVES)
    contribution = contribution if contribution >= 0 else _first(sentences, _REVIEWS)
    names = _names(title, sentences[proposal] if proposal >= 0 else "")
    is_thin = proposal >= 0 and len(stems[proposal] - told) < 9
    found = []
    for place, (text, said) in enumerate(zip(sentences, stems, strict=True)):
        features = _of_sentence(text, said, told, names)
        features |= {
            "repeated": min(sum(often[stem] > 1 for stem in said), 14) / 14,
            "place": place / max(len(sentences) - 1, 1),
            "last": place == len(sentences) - 1,
            "before any contribution": place < contribution,
            "first contribution": place == contribution,
            "after the first contribution": 0 <= contribution == place - 1,
            "proposal": place == proposal,
            "after a thin proposal": is_thin and proposal < place <= proposal + 2 and not _SETS_UP.search(text),
        }
        found.append(features)
    return found


def _of_sentence(text: str, said: set[str], told: set[str], names: set[str]) -> dict[str, float]:
    says: dict[str, float] = {name: bool(pattern.search(text)) for name, pattern in _SAYS.items()}
    proposes, is_named = bool(_PROPOSES.search(text)), any(name in text for name in names)
    contributes = proposes or _FINDS.search(text) or _PROVES.search(text)
    words, beyond = len(text.split()), len(said - told)
    result, evidence = bool(_RESULT.search(text)), bool(_EVIDENCE.search(text))
    says_something = contributes or says["studies"] or _USES.search(text) or result or evidence or is_named
    return says | {
        "result with amount": result and says["an amount"],
        "finding": evidence or bool(_FINDS.search(text)),
        "amount over something": says["an amount"] and bool(_OVER.search(text)),
        "numbers": min(len(_NUMBER.findall(text)), 5) / 5,
        "claim without amount": says["claim"] and not says["an amount"] and not proposes,
        "announces little": proposes and beyond < 6,
        "begins with its name": any(text.startswith(name) for name in names),
        "like the title": len(said & told) / (len(told) or 1),
        "nothing of the title": not said & told,
        "beyond the title": min(beyond, 20) / 20,
        "only the title": beyond < 4,
        "little beyond the title": beyond < 12,
        "words that say something": min(len(said), 24) / 24,
        "length": min(words, 26) / 26,
        "very short": words < 12,
        "very long": words > 58,
        "nothing": not says_something,
    }
