"""Papers: the sources that are asked, what counts for the ranking, when an edition closes and how large it is."""

from __future__ import annotations

from newsletter.settings.environment import BASE_DIR, DEBUG, env

# Sources that are asked over the network, one file each; none on a laptop. See docs/adding-a-source.md.
_SOURCES = [
    file.stem
    for file in sorted((BASE_DIR / "newsletter/catalogue/sources").glob("*.py"))
    if "\nPOLL_EVERY = " in file.read_text(encoding="utf-8")
]
SOURCES = env.some_of("SOURCES", _SOURCES, default=[] if DEBUG else _SOURCES)
# Ask each link of a paper once whether it answers, and GitHub, GitLab, Codeberg, Hugging Face for licence and stars.
CHECK_LINKS = env.flag("CHECK_LINKS", default=bool(SOURCES))
GITHUB_TOKEN = env.text("GITHUB_TOKEN", "")  # without scopes; 5,000 questions an hour instead of 60
# Where readers' own libraries are fetched from, when they ask for it.
ZOTERO_API_URL = env.text("ZOTERO_API_URL", "https://api.zotero.org").rstrip("/")
ORCID_API_URL = env.text("ORCID_API_URL", "https://pub.orcid.org").rstrip("/")
for _name, _url in (("ZOTERO_API_URL", ZOTERO_API_URL), ("ORCID_API_URL", ORCID_API_URL)):
    env.site_url(_name, _url, encrypted=not DEBUG)
ARXIV_CATEGORIES = env.several(
    "ARXIV_CATEGORIES",
    r"[a-z]+(-[a-z]+)*(\.[a-z-]+)?",
    "categories of arXiv such as cs.AI,stat.ML",
    default=["cs.AI", "cs.CL", "cs.CV", "cs.LG"],
)
# Sources that are asked only for what is named here.
FEEDS = env.several(
    "FEEDS",
    r"https://[^\s,]{1,1900}",
    "https addresses of Atom or RSS feeds, separated by commas (one within is %2C)",
)
HACKER_NEWS = env.flag("HACKER_NEWS")  # count the points of stories about papers
OPENALEX_CITATIONS = env.flag("OPENALEX_CITATIONS")  # count the citations of young papers
OPENALEX_FILTER = env.several(
    "OPENALEX_FILTER",
    r"[a-z_.]+:[^\s,&?#]{1,500}",
    "filters of works that all have to fit, such as primary_topic.field.id:20,language:en",
)
OPENALEX_KEY = env.text("OPENALEX_KEY")
OPENREVIEW_VENUES = env.several(
    "OPENREVIEW_VENUES", r"[\w.-]+(/[\w.-]+){0,9}", "ids of venues such as ICLR.cc/2026/Conference,TMLR"
)
PREPRINT_SERVERS = env.several("PREPRINT_SERVERS", "biorxiv|medrxiv", "biorxiv, medrxiv or both")
# Counters that do not count for the ranking, though they are kept.
MUTED_SIGNALS = env.some_of(
    "MUTED_SIGNALS", ("upvotes", "stars", "comments", "votes", "verdicts", "points", "citations"), default=[]
)
# auto: the extra `semantic` is used where it is installed; off: as if it were not
SEMANTIC = env.one_of("SEMANTIC", ("auto", "off"), default="auto")
EDITION_AUTO_APPROVE = env.flag("EDITION_AUTO_APPROVE")
EDITION_SECOND_PERSON = env.flag("EDITION_SECOND_PERSON")  # who edited an edition last does not approve it
CURATOR_MAILS = env.flag("CURATOR_MAILS", default=True)  # tell curators by mail that a draft waits for them
EDITION_CUTOFF_HOUR = env.whole("EDITION_CUTOFF_HOUR", 4, at_least=0, at_most=23)  # UTC; arXiv has announced by then
EDITION_SIZE = env.whole("EDITION_SIZE", 60, at_least=1, at_most=5000)  # candidate papers in one edition
DIGEST_MIN_PAPERS = env.whole("DIGEST_MIN_PAPERS", 1, at_least=0, at_most=100)
WELCOME_DIGEST = env.flag("WELCOME_DIGEST", default=True)  # the newest edition, once a reader has confirmed
