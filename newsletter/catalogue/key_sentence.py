"""The one sentence of an abstract that says what the paper brings, word for word.

In: title and abstract. Out: a part of the abstract as it stands there. Each sentence gets points for what makes a line
worth reading (it says what is new, what was reached and by how much, and more than the title) and loses some for what
does not (background, leaning on the sentence before, an announcement without content). Pure; time grows with the text.

The cues and points were set by reading some 300 choices over abstracts of arXiv's fields, computer science and physics
and mathematics alike. What is listed are words of the genre, none of a subject.
"""

from __future__ import annotations

import re

READ = 6000  # characters of an abstract; arXiv takes a third of that
_END = re.compile(
    r"[.!?](?:[\"”’)\]]|'')*(?=\s+[\"“‘(\[$]?[^\Wa-z_]|\s+\$|\s*$)|[。！？]|(?<=\s\.)(?=[A-Z])|"
    r"(?<=[a-z]{3}\.)(?=[A-Z][a-z]+\s)"
)
_NO_END = re.compile(
    r"(?:\b(?:e\.g|i\.e|cf|vs|v\.s|etc|al|resp|approx|ca|Figs?|Eqs?|Secs?|Tab|No|Nos|Vol|Dr|Mr|Ms|Prof|St|Jr|"
    r"Refs?|Thm|w\.r\.t"
    r"|a\.k\.a|U\.S)|(?:^|[\s(~.-])[A-Z])\.$"
)
_WORD = re.compile(r"[^\W_]+(?:[-'’][^\W_]+)*")
_EMPTY_WORDS = frozenset(
    re.findall(
        r"\S+",
        """
        a an the of for to from in on at by with without as and or but nor both either between into onto than via per
        is are was were be been being has have had can could may might will would not no only more most less very we
        our us it its they their this that these those which who whose while where when if then also such show shows
        shown demonstrate demonstrates propose proposes proposed present presents presented introduce introduces
        introduced develop paper work study article approach method methods model models framework novel new results
        experiments experimental extensive using use used based achieve achieves performance existing there here thus
        hence however how what through across over under both further significantly effectively effective efficient
        state-of-the-art towards toward some any all each other one two
        """,
    )
)
_WHO = (
    r"\b(?<!that )(?<!which )(?<!as )(?:we|i|this (?:short |technical |position |survey |review )?(?:paper|work|"
    r"study|survey|report|article|letter|note|thesis|review|contribution|manuscript|dissertation|tutorial|chapter|"
    r"research))"
)
_ADVERB = r"(?:\s+(?:\w+ly|then|also|first|further|here|next|hereby|therefore|thus|instead))?(?:\s+and \w+)?"
_BRINGS = re.compile(
    _WHO
    + _ADVERB
    + r"\s+(?:presents?|proposes?|introduces?|describes?|develops?|releases?|builds?|designs?|trains?|offers?"
    r"|formulates?|creates?|devises?|constructs?|establish(?:es)?|proves?|derives?|obtains?|solves?|provides?|"
    r"shows?|finds?|found"
    r"|demonstrates?|reports?|reveals?|discovers?|identif(?:y|ies)|observes?|determines?|computes?|"
    r"calculates?|measures?|extends?"
    r"|generali[sz]es?|gives?|detects?|uncovers?|conclude|argues?|characteri[sz]es?|classif(?:y|ies)|bounds?|"
    r"constrains?"
    r"|showed|demonstrated|proved|developed|introduced|proposed|presented|obtained|derived|detected|measured|"
    r"observed|recasts?|reformulates?|resolves?|achieves?|predicts?|collects?|curates?|combines?|unif(?:y|"
    r"ies)|open-source)\b"
    r"|\b(?:is|are) (?:proposed|presented|introduced|proved|proven|derived|established|obtained|constructed|"
    r"developed|reported|shown|demonstrated)\b"
    r"|\b(?:it is (?:shown|proved|proven|found|demonstrated))\b",
    re.IGNORECASE,
)
_DOES = re.compile(
    _WHO
    + _ADVERB
    + r"\s+(?:stud(?:y|ies)|investigates?|explores?|revisits?|address(?:es)?|tackles?|examines?|analy[sz]es?"
    r"|evaluates?|reviews?|surveys?|considers?|adapts?|appl(?:y|ies)|compares?|asks?|rethinks?|focus(?:es)?|"
    r"aims?|discuss(?:es)?"
    r"|investigated|studied|analy[sz]ed|evaluated|examined|conducts?|performs?|performed|conducted|uses?|employs?)\b",
    re.IGNORECASE,
)
_NAMED = re.compile(r"(?:^|[\s(])(?:[A-Z][\w]*[A-Z0-9][\w+.-]*|[A-Z][a-z]+[A-Z]\w*)\b")
_RESULT = re.compile(
    r"\b(?:outperform\w*|surpass\w*|exceed\w*|improv\w+|reduc\w+|increas\w+|decreas\w+|achiev\w+|reach\w*|"
    r"attain\w*|yield\w*|"
    r"speed-?ups?|accelerat\w+|sav(?:es|ing|ings)|cut(?:s|ting)?|boost\w*|gains?|lower(?:s|ing)?|drops?|"
    r"halv\w+|doubl\w+|match(?:es|ing)|"
    r"results? (?:show|demonstrate|indicate|reveal|suggest)\w*|experiments? (?:\w+ ){0,6}(?:show|demonstrate|"
    r"reveal|confirm)\w*|"
    r"(?:find|found|show|shows|reveal|reveals|observe|discover) that|evidence (?:that|of|for)|"
    r"state[- ]of[- ]the[- ]art|"
    r"accura\w+|faster|fewer|smaller|larger|higher|lower|better|best)\b",
    re.IGNORECASE,
)
_AMOUNT = re.compile(
    r"(?<![\d.,])\d[\d.,]{0,15}\s?(?:\\?%|[x\u00d7]\b|\\times|percent|per cent|-?fold|times|points?|pp\b|dB\b|"
    r"sigma|\u03c3)|(?<![\d.,])\d[\d.,]{0,15}\s?(?:[KMB]|[kMG]B|billion|million|thousand|hours?|languages|tasks|"
    r"datasets|benchmarks|"
    r"examples|images|videos|papers|questions|problems|samples)\b|\bfrom \$?[\d.]{1,12}\S{0,12} to \$?\d|"
    r"\b(?:by|to|of) (?:up to |about |over |nearly |more than )?\$?\d",
    re.IGNORECASE,
)
_HOW = re.compile(
    r"\b(?:by \w+ing|that \w+s\b|which \w+s\b|where|using|via|through|based on|enabling|allowing|"
    r"consist\w+ of|combin\w+|without|instead of|"
    r"rather than|so that|whose|in which|leverag\w+|thereby|if and only if|under|for every|for any|for all|when)\b",
    re.IGNORECASE,
)
_LEANS = re.compile(
    r"^(?:however|moreover|furthermore|additionally|in addition|also|besides|finally|lastly|second(?:ly)?|"
    r"third(?:ly)?|then|next|"
    r"for (?:example|instance)|as a (?:result|consequence)|consequently|in (?:contrast|turn|particular|"
    r"this way|doing so|so doing)|specifically|concretely|"
    r"notably|similarly|conversely|meanwhile|nevertheless|nonetheless|accordingly|hence|thus|therefore|"
    r"otherwise|indeed|first(?:ly)?|"
    r"(?:it|they|he|she|these|those|such|its|their|both|the (?:former|latter|first|second|other|same|"
    r"resulting|proposed|key|core|main|results?|latter))\b|"
    r"this (?!paper|work|study|survey|report|article|letter|note|thesis|review|manuscript|dissertation|"
    r"tutorial|chapter|research|technical|position|short)|"
    r"(?:to|by) (?:\w+ ){0,2}(?:this|these|those|that|such|them)\b|with (?:this|these)|based on (?:this|"
    r"these)|building on (?:this|these)|using (?:this|these|it))",
    re.IGNORECASE,
)
_LEANS_LIGHTLY = re.compile(
    r"^(?:(?:to|in response to|motivated by|addressing|inspired by|guided by|building on|based on|"
    r"in light of) (?:\w+ ){0,3}?(?:this|these|those|that|such|them)\b[^,]{0,80},"
    r"|specifically,|concretely,|in particular,|notably,|first,|finally,|here,|in this (?:paper|work|study|"
    r"article|letter|note|report|survey|thesis)|therefore,|thus,|hence,|to this end,|instead,|in response,|"
    r"moreover,|furthermore,|additionally,|in addition,)",
    re.IGNORECASE,
)
_BACKGROUND = re.compile(
    r"\b(?:recent(?:ly)?|has become|have become|has emerged|have emerged|remains?|challeng\w+|crucial|"
    r"essential|important|fundamental problem|existing|prior|previous|"
    r"current(?:ly)?|traditional(?:ly)?|conventional|often|typically|usually|widely|despite|although|suffers?|"
    r"struggles?|limited|lacks?|rel(?:y|ies) on|"
    r"have (?:shown|demonstrated|achieved|been)|has (?:shown|demonstrated|achieved|been)|growing|increasingly|"
    r"is known|well[- ]known|little is known|unclear|open (?:question|problem))\b",
    re.IGNORECASE,
)
_HOLLOW = re.compile(
    r"\b(?:extensive|comprehensive|thorough|numerical|empirical|experimental|various|"
    r"simulation)\b[^.]{0,60}\b(?:experiments?|evaluations?|results?|studies|simulations?|examples?|"
    r"analys[ei]s)\b"
    r"|\beffectiveness\b|\bsuperiority\b|\bpotential (?:of|for|to)\b|\bpaves? the way\b|\bimplications?\b|"
    r"\binsights?\b|\bpromising\b|\blays? the (?:foundation|groundwork)\b|\bshed light\b|"
    r"\bopens? (?:up )?(?:new|a)\b"
    r"|\bhighlight\w*\b|\bunderscor\w*\b|\bfuture (?:work|research|directions?)\b|\bwe (?:also |further |"
    r"finally )?(?:discuss|conclude|hope|believe|envision|outline)\b|\bis organi[sz]ed\b",
    re.IGNORECASE,
)
_ADDRESS = re.compile(
    r"https?:|www\.|github|\bcode (?:is|and|will|are|has)\b|\bour code\b|\bsource code\b|\bproject (?:page|"
    r"website)|\b(?:publicly|freely|openly) (?:available|released?)|\bavailable at\b|\bwill be (?:released|"
    r"made)|\bopen[- ]sourced?\b|\bwith code\b|\bwe (?:publicly )?release (?:all |our |"
    r"the )?(?:\w+ ){0,3}(?:code|outputs|data|weights|checkpoints|models|scripts)\b|supplementary|"
    r"accepted (?:at|to|by)",
    re.IGNORECASE,
)
_ASIDE = re.compile(
    _WHO + r"(?:\s+\w+ly)?\s+(?:also|further|then|additionally|next|finally)\b|^(?:additionally|furthermore|moreover|"
    r"theoretically|finally|in addition|first(?:ly)?|second(?:ly)?|next|then|besides|in particular|"
    r"more (?:precisely|generally|specifically)|as (?:an? |one )?(?:\w+ )?(?:applications?|consequence|"
    r"corollary|by-?product|baseline|special case|concrete \w+)|for (?:example|instance)|along the way)\b",
    re.IGNORECASE,
)
_PROPOSES = re.compile(
    _WHO
    + _ADVERB
    + r"\s+(?:presents?|proposes?|introduces?|develops?|releases?|builds?|designs?|proves?|presented|proposed|"
    r"introduced|developed|(?:shows?|demonstrates?|reports?|finds?) (?:that|how|the first|a|an)\b)"
    r"|\b(?:is|are) (?:proposed|presented|introduced|proved|proven)\b|\bit is (?:shown|proved|proven|found)\b",
    re.IGNORECASE,
)
_POINTS_BACK = re.compile(
    r"\b(?:this|these|those|such) (?!paper|work|study|article|letter|note|survey)\w+|\b(?:present|propose|"
    r"call|view|frame) this\b|\bthe (?:above|former|latter|resulting)\b",
    re.IGNORECASE,
)
_OTHERS = re.compile(
    r"\\cite|\b(?:earlier|previous|prior|recent) (?:works?|papers?|results?)\b|\b(?:was|were) (?:recently |"
    r"previously )?(?:introduced|proposed|shown|constructed|proved)\b|\brecently (?:introduced|proposed)\b",
    re.IGNORECASE,
)
_OUR_METHOD = re.compile(
    r"(?:the )?(?:our|proposed) (?:\w+[ -]){0,3}(?:method|approach|framework|model|system|algorithm|pipeline|"
    r"architecture|analysis|result|theorem|estimator|benchmark|dataset|data set|corpus)\b",
    re.IGNORECASE,
)
_OURS = re.compile(r"\b(?:we|our|ours|this (?:paper|work|study|method|approach|framework))\b", re.IGNORECASE)
_STEP = re.compile(
    _WHO
    + _ADVERB
    + r"\s+(?:constructs?|uses?|employs?|measures?|computes?|combines?|collects?|conducts?|define|evaluates?|"
    r"appl(?:y|ies)|train|consider|compare)\b",
    re.IGNORECASE,
)
_NAME = re.compile(r"([\w+.-]{2,30}(?: [\w+.-]{1,12})?)\s?:")  # "ReportQA: …"
_COMPARED = re.compile(
    r"\b(?:than|over|compared (?:to|with)|relative to|versus|against|from [\d.$]{1,12}\S{0,12} to|baselines?|"
    r"by (?:up to |about |over |nearly |more than |an average of )?\$?\d)",
    re.IGNORECASE,
)


def key_sentence(title: str, abstract: str) -> str:
    """Return the sentence of the abstract that says best what the paper brings, as it stands there; "" without one."""
    found = spans(abstract[:READ])
    if not found:
        return ""
    told = _stems(title)
    name = _NAME.match(title)
    first = next((place for place, (start, end) in enumerate(found) if _BRINGS.search(abstract[start:end])), -1)
    scored = []
    for place, (start, end) in enumerate(found):
        sentence = abstract[start:end]
        news = min(len(_stems(sentence) - told), 8) / 8
        points = _points(sentence, told, place=place, of=len(found)) + news * (place == first)
        is_named = bool(name and name.group(1) in sentence)
        points += 0.8 * is_named * news - 1.6 * (place < first and not is_named)
        if _OUR_METHOD.match(sentence) or (is_named and name and sentence.find(name.group(1)) < 30):
            points += 0.6 if _BRINGS.search(sentence) else 1.8
        scored.append((points, -place))
    start, end = found[-max(scored)[1]]
    return abstract[start:end]


def spans(text: str) -> list[tuple[int, int]]:
    """Return where each sentence begins and ends; "e.g.", "et al." and initials end none."""
    found: list[tuple[int, int]] = []
    start = 0
    for match in _END.finditer(text):
        end = match.end()
        if match.group() == "." and _NO_END.search(text[max(start, end - 9) : end]):
            continue
        found.append((start, end))
        start = end
    found.append((start, len(text)))
    trimmed = []
    for start, end in found:
        part = text[start:end]
        if part.strip():
            trimmed.append((start + len(part) - len(part.lstrip()), start + len(part.rstrip())))
    return trimmed


def _stems(text: str) -> set[str]:
    """Words that say something, cut so that "decoupling" and "decouples" are one."""
    return {word[:6] for word in map(str.casefold, _WORD.findall(text)) if word not in _EMPTY_WORDS and len(word) > 1}


def _points(sentence: str, title: set[str], *, place: int, of: int) -> float:
    words = len(sentence.split())
    said = _stems(sentence)
    beyond = len(said - title)
    likeness = len(said & title) / (len(title) or 1)
    amount, result = bool(_AMOUNT.search(sentence)), bool(_RESULT.search(sentence))
    brings = bool(_BRINGS.search(sentence))
    points = (2.2 if _STEP.search(sentence) else 3.0) * brings + 1.2 * (not brings and bool(_DOES.search(sentence)))
    points += 0.8 * bool(_PROPOSES.search(sentence)) - 0.6 * bool(_OTHERS.search(sentence))
    points -= 0.5 * bool(_POINTS_BACK.search(_LEANS_LIGHTLY.sub("", sentence)[:90]))
    points += 1.0 * result + (1.4 if amount and result else 0.4 * amount)
    points -= 1.7 * bool(_ASIDE.search(sentence)) + 1.0 * (
        not brings and likeness < 0.15 and not _OURS.search(sentence)
    )
    points += 0.7 * (amount and result and bool(_COMPARED.search(sentence)))
    points += 0.6 * bool(_NAMED.search(sentence)) + 0.6 * bool(_HOW.search(sentence))
    points += 1.6 * min(beyond, 14) / 14 + 1.5 * min(likeness, 0.7) * min(beyond, 8) / 8
    points -= 1.6 * (beyond < 4) + 1.0 * (beyond < 6) + 0.8 * (beyond < 8)
    lightly = bool(_LEANS_LIGHTLY.search(sentence))
    if not lightly and _LEANS.search(sentence):
        points -= 2.3
    elif lightly and brings:
        points -= 0.3 * (not sentence.startswith(("In this", "Here,")))
    elif lightly:
        points -= 1.2
    if not brings:
        points -= 1.5 * bool(_BACKGROUND.search(sentence))
    elif _BACKGROUND.search(sentence[:60]):
        points -= 0.4
    if _HOLLOW.search(sentence):
        points -= 0.6 if amount else 2.0
    points -= 4.0 * bool(_ADDRESS.search(sentence)) + 2.0 * sentence.endswith("?")
    points -= 2.0 * (words < 8) + 0.5 * (words < 13) + 0.8 * (words > 45) + 2.5 * (words > 60)
    if of > 2:
        points -= 0.5 * (place == 0 and not brings) + 0.3 * (place == of - 1 and not amount)
    return points - 0.4 * place / of
