"""Links of a paper to its code, models, data, demo and project page.

In: running text of its authors (abstract, comment), or addresses that a source states. Out: links, each with its kind,
in the order of the text. A host that we know says the kind (GitHub: code); for any other the words before the address
must ("Project page:", "data are available at"). Addresses of other papers are no links. Pure.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from html import unescape
from urllib.parse import SplitResult, urlsplit, urlunsplit

from newsletter.catalogue.sources.public_urls import safe_url, trim

CODE, MODEL, DATA, DEMO, PAGE = "code", "model", "data", "demo", "page"
# Where a link was found; stated: in a field of the source; linked: on the paper's own page.
ABSTRACT, COMMENT, STATED, LINKED = "abstract", "comment", "stated", "linked"
MOST = 10  # links of one paper: a survey may name hundreds, none of them its own
_LONGEST = 2000  # characters of an address
_FORGES = ("github.com", "gitlab.com", "codeberg.org", "bitbucket.org", "gitee.com")
_WITHOUT_SCHEME = "|".join(re.escape(host) for host in (*_FORGES, "huggingface.co", "hf.co"))
_ADDRESS = re.compile(
    rf"(?:https?://|(?<![\w@./-])(?:www\.)?(?=(?:{_WITHOUT_SCHEME})/))[^\s<>\"{{}}|\\^`]+", re.IGNORECASE | re.ASCII
)
# First parts of addresses that belong to the host itself.
_NOT_OWNERS = re.compile(
    r"about|blog|collections|datasets|docs|enterprise|explore|features|groups|help|join|learn|login|marketplace|models"
    r"|orgs|organizations|papers|posts|pricing|search|settings|spaces|sponsors|tasks|topics|users",
    re.IGNORECASE,
)
_PAGES = re.compile(r"[\w-]+\.(?:github|gitlab)\.io|sites\.google\.com|[\w-]+\.pages\.dev", re.ASCII)
_PAPERS = re.compile(
    r"(?:^|\.)(?:arxiv\.org|openreview\.net|aclanthology\.org|biorxiv\.org|medrxiv\.org|semanticscholar\.org|icml\.cc"
    r"|neurips\.cc|iclr\.cc|mlr\.press|thecvf\.com|youtube\.com|youtu\.be)$"
)
_DEPOSIT = re.compile(r"/(?:records?|10\.5281/zenodo)[/.]\d+|/articles/(?:dataset|code|software)/", re.ASCII)
_HUB_KINDS = {"datasets": DATA, "spaces": DEMO}
_HREF = re.compile(r"""\bhref\s*=\s*["']?(https?://[^\s"'<>]+)""", re.IGNORECASE)
_TAG = re.compile(r"<[^<>]*>")
_CALLED = re.compile(
    r"\W*(?:(?:our|the|official|source|training|inference|full|pre-?trained|live|online|hugging ?face|hf|github)\W+)*"
    r"(?:codes?|codebase|github|repo|repository|models?|weights|checkpoints?|data|data ?sets?|benchmark|demos?|space"
    r"|hugging ?face|hf|gitlab)(?:\W+(?:\(?(?:code|data|models?|demo|coming soon|github|hugging ?face|space)\)?))?\W*",
    re.IGNORECASE,
)
_TEMPLATE = re.compile(r"\.github\.io$|template|github\.com/nerfies/", re.IGNORECASE)
_NEAR = 80  # characters before an address that may say what it is
_NAMED = (
    (PAGE, r"(?:project|companion|home)(?:'s)?[ -]?(?:web[ -]?)?(?:page|site)|web[ -]?(?:page|site)"),
    (CODE, r"codes?|codebase|implementations?|software|source|toolbox|library|repository"),
    (DATA, r"data|data[ -]?sets?|benchmarks?|corpus|corpora"),
    (MODEL, r"weights|checkpoints|pre-?trained models?"),
    (DEMO, r"(?:live |online |interactive )?demos?"),
)
_LEADS_TO = r"\b[^.!?;]{0,60}(?::|\bat|\bfrom|\bon|\bvia|\bhere|\bvisit)\W{0,3}$"
_SAYS = [(kind, re.compile(rf"\b(?:{words}){_LEADS_TO}|\b(?:{words})\W{{1,3}}$", re.I)) for kind, words in _NAMED]


@dataclass(frozen=True, slots=True)
class Link:
    kind: str
    url: str
    place: str


def links_in(text: str, *, place: str) -> tuple[Link, ...]:
    """The links that running text gives, without doubles, ``MOST`` at the most."""
    found = (_read(match, text, place) for match in _ADDRESS.finditer(text))
    return distinct(link for link in found if link)


def links_on_page(html: str) -> tuple[Link, ...]:
    """The links of a project page whose words call them its code, model, data or demo.

    A page is full of other links, to tools and to the template it is made from, so the words decide, and the host must
    be one that we know. In time linear in the page's length.
    """
    found = []
    for piece in html.split("<a ")[1:]:
        head, _, rest = piece.partition(">")
        address = _HREF.search(head[:_LONGEST])
        words = unescape(_TAG.sub(" ", rest.partition("</a")[0][:_LONGEST]))
        known = _known(unescape(address[1])) if address and _CALLED.fullmatch(" ".join(words.split())[:_NEAR]) else None
        if known and known[0] != PAGE and not _TEMPLATE.search(known[1]):
            found.append(Link(*known, LINKED))
    return distinct(found)


def stated_link(url: str) -> Link | None:
    """The link that a source states in a field of its own: a project page, where its host does not say otherwise."""
    known = _known(url)
    if known:
        return Link(known[0], known[1], STATED)
    safe = safe_url(url)
    return Link(PAGE, safe, STATED) if safe else None


def distinct(links: Iterable[Link]) -> tuple[Link, ...]:
    """Each address once, as it came first, ``MOST`` at the most."""
    found: dict[str, Link] = {}
    for link in links:
        if len(found) == MOST:
            break
        found.setdefault(link.url.lower(), link)
    return tuple(found.values())


def first_url(links: Iterable[Link], kind: str) -> str:
    """The address of the first link of a kind, else ""."""
    return next((link.url for link in links if link.kind == kind), "")


def _read(match: re.Match[str], text: str, place: str) -> Link | None:
    if len(match[0]) > _LONGEST:
        return None
    address = match[0] if "://" in match[0] else f"https://{match[0]}"
    if known := _known(re.split("[,;]", address, maxsplit=1)[0]):
        return Link(*known, place)
    before = text[max(0, match.start() - _NEAR) : match.start()]
    kind = next((kind for kind, words in _SAYS if words.search(before)), "")
    url = safe_url(address) if kind else ""
    host = urlsplit(url).hostname or ""
    return Link(kind, url, place) if url and host not in _FORGES and not _PAPERS.search(host) else None


def _known(raw: str) -> tuple[str, str] | None:
    """Kind and address by the host alone; None when that does not say."""
    parts = urlsplit(safe_url(trim(raw)))
    host = (parts.hostname or "").removeprefix("www.")
    names = [name for name in parts.path.split("/") if name]
    if host in _FORGES or host.startswith("gitlab."):
        return _repository(host, names)
    if host in {"huggingface.co", "hf.co"}:
        return _on_the_hub(names)
    if host.endswith(".hf.space") or host == "colab.research.google.com":
        return DEMO, urlunsplit(parts)
    if host == "anonymous.4open.science" and names[1:]:
        return (CODE if names[0] == "r" else PAGE), urlunsplit(parts)
    if host == "kaggle.com" and names[:1] == ["datasets"] and names[2:]:
        return DATA, urlunsplit(parts)
    if f".{host}".endswith((".zenodo.org", ".figshare.com")) or (host == "doi.org" and _DEPOSIT.search(parts.path)):
        return (DATA, urlunsplit(parts)) if _DEPOSIT.search(parts.path) else None
    return (PAGE, urlunsplit(parts)) if _is_page(host, parts) else None


def _is_page(host: str, parts: SplitResult) -> bool:
    return bool(_PAGES.fullmatch(host)) and (host != "sites.google.com" or parts.path.count("/") > 1)


def _repository(host: str, names: list[str]) -> tuple[str, str] | None:
    """A repository, or a folder of one, without what clients add to its name."""
    if len(names) < 2 or _NOT_OWNERS.fullmatch(names[0]):
        return None
    names = names[: names.index("-")] if "-" in names else names  # GitLab's pages of a repository
    names = names[:2] if names[2:] in (["tree", "main"], ["tree", "master"]) else names
    names[1:2] = [name.rstrip(".").removesuffix(".git") for name in names[1:2]]
    names[-1] = names[-1].removesuffix(".git")
    return (CODE, "https://" + "/".join([host, *names])) if all(names) and names[1:] else None


def _on_the_hub(names: list[str]) -> tuple[str, str] | None:
    """A model, data set or Space of Hugging Face; a collection is a page."""
    if names[:1] == ["collections"] and names[2:]:
        return PAGE, "https://huggingface.co/" + "/".join(names[:3])
    kind = _HUB_KINDS.get(names[0]) if names else None
    owner, *rest = names[1:] if kind else names or [""]
    if not rest or _NOT_OWNERS.fullmatch(owner):
        return None
    return kind or MODEL, "https://huggingface.co/" + "/".join([*names[: 1 if kind else 0], owner, rest[0]])
