"""An edition compiled and joined: the same papers in both parts, honest reasons, tokens whole, sizes kept."""

from __future__ import annotations

import json
import re
import time
from dataclasses import replace
from datetime import timedelta
from html import unescape
from typing import Any

import pytest
from django.conf import settings

from newsletter.mail import compile_edition as mail_compile
from newsletter.mail import digest_links
from newsletter.mail import reasons as mail_reasons
from newsletter.mail.assemble import HTML_BUDGET, Composer
from newsletter.models import Edition, EditionItem
from tests.builders import NOON, make_paper, make_topic
from tests.mail_lint import bodies, lint, parse
from tests.mail_samples import DELIVERY_TOKEN, IDENTITY, PAPERS, UNSUBSCRIBE_TOKEN, make_edition, make_recipient

pytestmark = [pytest.mark.django_db, pytest.mark.any_database]
HOSTS = tuple(settings.PAPER_LINK_HOSTS)


def composer_of(edition: Edition) -> Composer:
    return Composer(json.loads(json.dumps(mail_compile.compile_edition(edition, now=NOON))), IDENTITY)


def unwrapped(text: str) -> str:
    return " ".join(text.split())


def test_both_parts_hold_the_same_papers_in_the_readers_order() -> None:
    edition = make_edition()
    items = list(edition.items.order_by("-position").select_related("paper"))[:5]
    picks = [[item.pk, "trending", "trending"] for item in items]
    raw = composer_of(edition).compose(make_recipient(edition, picks=picks))
    assert lint(raw, hosts=HOSTS) == []
    for body in bodies(raw).values():
        places = [unwrapped(body).rfind(item.paper.title) for item in items]  # the card, not the lists above
        assert -1 not in places
        assert places == sorted(places)
        assert PAPERS[0]["title"] not in unwrapped(body)
    assert parse(raw)["Subject"] == f"{items[0].paper.title} + 4 more"


def test_a_text_reader_gets_one_part() -> None:
    edition = make_edition()
    raw = composer_of(edition).compose(make_recipient(edition, wants_html=False))
    assert lint(raw, hosts=HOSTS) == []
    assert list(bodies(raw)) == ["plain"]


def test_every_token_arrives_whole_and_no_mark_is_left() -> None:
    edition = make_edition()
    compiled = mail_compile.compile_edition(edition, now=NOON)
    raw = Composer(compiled, IDENTITY).compose(make_recipient(edition))
    for body in bodies(raw).values():
        assert body.count(f"https://papers.example.org/u/{UNSUBSCRIBE_TOKEN}") == 2
        assert body.count(f"https://papers.example.org/d/{DELIVERY_TOKEN}/") >= 10
        assert not any(mark in body for mark in compiled["marks"].values())
    assert f"<https://papers.example.org/u/{UNSUBSCRIBE_TOKEN}>" in parse(raw)["List-Unsubscribe"]


@pytest.mark.parametrize(("title", "coding"), [("A title", "quoted-printable"), ("大规模语音识别" * 8, "base64")])
def test_the_shorter_encoding_is_chosen(title: str, coding: str) -> None:
    edition = make_edition([{"title": title, "abstract": title * 3}] * 1)
    message = parse(composer_of(edition).compose(make_recipient(edition, wants_html=False)))
    assert message["Content-Transfer-Encoding"] == coding


def test_the_line_of_each_reason_is_in_both_parts() -> None:
    edition = make_edition(PAPERS[:1])
    item = edition.items.get()
    composer = composer_of(edition)
    for reason, line in {
        "trending": "Trending in Speech & audio: +41 upvotes in 24 h",
        "topic:language-models": "+41 upvotes in 24 h · you follow Language models",
        "outside": "Outside your topics · Trending in Speech & audio: +41 upvotes in 24 h",
        "for_you": "Close to papers you liked · Trending in Speech & audio: +41 upvotes in 24 h",
        "topic:unheard-of": "Trending in Speech & audio: +41 upvotes in 24 h",
    }.items():
        raw = composer.compose(make_recipient(edition, picks=[[item.pk, "trending", reason]]))
        found = bodies(raw)
        assert f"{line}\n" in unwrapped_lines(found["plain"])
        assert line in unescape(found["html"]).replace("\xa0", " ")


@pytest.mark.parametrize(
    "papers",
    [PAPERS, PAPERS[:2], [{"title": "Of " + "representations " * 25, "parts": {"stars_gain": 99_999}}] * 3],
)
def test_what_summaries_are_made_of_names_the_first_three_papers_and_why(papers: list[dict[str, Any]]) -> None:
    edition = make_edition([paper | {"arxiv_id": f"2603.{number:05}"} for number, paper in enumerate(papers)])
    found = bodies(composer_of(edition).compose(make_recipient(edition)))
    shown = unescape(re.sub("<[^>]*>", "", re.sub(".*</head>", "", found["html"], flags=re.DOTALL)))
    for text in (shown, unwrapped(found["plain"])):
        for paper in papers[:3]:
            assert paper["title"][:45] in text[:300]
            assert f"+{next(iter(paper['parts'].values())):,} " in text[:300]


def test_a_long_digest_begins_with_the_list_of_its_titles() -> None:
    edition = make_edition()
    composer = composer_of(edition)
    found = bodies(composer.compose(make_recipient(edition)))
    listed = found["html"].partition("In this digest")[2].partition("</table>")[0]
    assert re.findall(r"<b>(\d+)</b>", listed) == [str(number) for number in range(1, 11)]
    assert [f">{paper['title'][:20]}" in listed for paper in PAPERS] == [True] * 10
    assert "\n- Scaling Laws for Neural Language Models\n" in found["plain"]
    short = bodies(composer.compose(make_recipient(edition, picks=make_recipient(edition).picks[:4])))
    assert "In this digest" not in short["html"]


def test_the_mail_has_addresses_to_pass_on_that_tell_nothing_of_its_reader() -> None:
    edition = make_edition(PAPERS[:2])
    for body in bodies(composer_of(edition).compose(make_recipient(edition))).values():
        public = set(re.findall(r"https://papers\.example\.org(/(?:edition|paper)/[^\s\"<]*)", body))
        assert public == {edition.get_absolute_url(), *(item.paper.get_absolute_url() for item in edition.items.all())}
        assert "https://papers.example.org/subscribe/" in body
        assert "Get your own" in unwrapped(body)


def unwrapped_lines(text: str) -> str:
    return text.replace("\n    ", " ").replace(" Alec", "\nAlec").replace("  ", "\n")


def test_an_editors_pick_is_labelled_and_a_paper_without_gain_is_not_called_trending() -> None:
    edition = make_edition([])
    topic = make_topic("vision")
    pick = EditionItem.objects.create(edition=edition, paper=make_paper(), position=1, lane=EditionItem.Lane.PICK)
    quiet = EditionItem.objects.create(edition=edition, paper=make_paper(), position=2, parts={"topic": "vision"})
    names = {topic.slug: topic.name}
    assert mail_reasons.reasons(pick, topics=names)["pick"] == "Editor’s pick"
    assert mail_reasons.reasons(quiet, topics=names)["topic:vision"] == f"New · you follow {topic.name}"


def test_a_small_gain_beyond_the_cohort_is_called_trending_in_the_mail_as_on_the_site() -> None:
    parts = {"topic": "vision", "hours": 24, "cohort_median": 6, "upvotes_gain": 9}
    item = EditionItem.objects.create(edition=make_edition([]), paper=make_paper(), position=1, parts=parts)
    line = mail_reasons.reasons(item, topics={"vision": "Vision"})["trending"]
    assert line == "Trending in Vision: +9 upvotes in 24 h"


def test_a_gain_that_the_whole_cohort_had_is_no_reason() -> None:
    edition = make_edition([])
    common = {"topic": "vision", "hours": 24, "cohort_median": 60, "upvotes_gain": 5}
    lines = []
    for position, parts in enumerate([common, common | {"stars_gain": 7}, common | {"upvotes_gain": 61}], 1):
        item = EditionItem.objects.create(edition=edition, paper=make_paper(), position=position, parts=parts)
        lines.append(mail_reasons.reasons(item, topics={"vision": "Vision"})["trending"])
    assert lines == [
        "New in Vision",
        "+7 GitHub stars in 24 h",
        "Trending in Vision: +61 upvotes in 24 h",
    ]


def test_a_render_error_names_the_item_and_stops_the_compilation(settings: Any) -> None:
    edition = make_edition(PAPERS[:2])
    bad = edition.items.last()
    assert bad is not None
    bad.paper.authors = 5
    bad.paper.save()
    with pytest.raises(mail_compile.CompileError, match=f"Item {bad.pk} "):
        mail_compile.compile_edition(edition, now=NOON)


@pytest.mark.parametrize(("papers", "cadence"), [(10, "daily"), (50, "daily"), (50, "monthly")])
@pytest.mark.parametrize("script", ["latin", "cjk"])
def test_the_longest_digest_stays_within_the_budget_and_keeps_its_footer(
    papers: int, cadence: str, script: str
) -> None:
    word = {"latin": "Representation ", "cjk": "大规模弱监督下的鲁棒语音识别"}[script]
    title = (word * 40)[:490]
    given = [{"title": f"{number} {title}", "abstract": word * 300, "note": title[:290]} for number in range(papers)]
    edition = make_edition(given, cadence=cadence)
    raw = composer_of(edition).compose(make_recipient(edition))
    assert lint(raw, hosts=HOSTS) == []
    html = bodies(raw)["html"]
    assert html.count('class="title-link"') == papers
    assert settings.POSTAL_ADDRESS in html
    encoded = next(part for part in parse(raw).walk() if part.get_content_type() == "text/html").as_bytes()
    assert len(encoded) < HTML_BUDGET + 1500


def test_ten_ordinary_papers_are_shown_in_full() -> None:
    edition = make_edition()
    assert "More on the web" not in bodies(composer_of(edition).compose(make_recipient(edition)))["html"]


@pytest.mark.parametrize(
    "over",
    [
        {"email": "a@example.net\r\nBcc: b@example.net"},
        {"email": "é@example.net"},
        {"email": "no address"},
        {"message_id": "<a b@example.net>"},
        {"message_id": "<a@example.net>\r\nX: y"},
        {"date_header": "Wed\r\nX: y, 18 Mar 2026"},
        {"unsubscribe_token": "short"},
        {"delivery_token": "x" * 23 + "\n"},
        {"picks": [[999_999, "trending", "trending"]]},
    ],
)
def test_a_value_that_could_break_the_message_is_refused(over: dict[str, Any]) -> None:
    edition = make_edition(PAPERS[:1])
    with pytest.raises(ValueError, match="delivery 7"):
        composer_of(edition).compose(make_recipient(edition, **over))


def test_a_setting_that_could_break_a_header_is_refused() -> None:
    compiled = mail_compile.compile_edition(make_edition(PAPERS[:1]), now=NOON)
    for change in ({"sender": "a\x0b <a@b.org>"}, {"list_id": "a\r\nb"}, {"reply_to": "nobody"}):
        with pytest.raises(ValueError, match=r"."):
            Composer(compiled, replace(IDENTITY, **change))


def test_the_unsubscribe_mailbox_is_named_only_when_it_is_read() -> None:
    edition = make_edition(PAPERS[:1])
    compiled = mail_compile.compile_edition(edition, now=NOON)
    raw = Composer(compiled, replace(IDENTITY, unsubscribe_mailbox="leave@example.org")).compose(
        make_recipient(edition)
    )
    assert lint(raw, hosts=HOSTS) == []
    assert f"<mailto:leave@example.org?subject=unsubscribe%20{UNSUBSCRIBE_TOKEN}>" in parse(raw)["List-Unsubscribe"]
    assert "mailto" not in parse(Composer(compiled, IDENTITY).compose(make_recipient(edition)))["List-Unsubscribe"]


def test_only_https_links_to_known_hosts_reach_a_mail() -> None:
    assert digest_links.safe_link("https://github.com/a/b") == "https://github.com/a/b"
    assert digest_links.safe_link("https://someone.github.io/x") == "https://someone.github.io/x"
    for bad in (
        *("http://github.com/a", "https://github.com.evil.example/", "https://evil.example/github.com", "javascript:1"),
        *("https://user@github.com/", "https://github.com:8443/", "https://140.82.112.3/", "https://[bad", ""),
    ):
        assert digest_links.safe_link(bad) == ""


def test_the_footer_says_why_and_since_when() -> None:
    edition = make_edition(PAPERS[:1])
    found = bodies(composer_of(edition).compose(make_recipient(edition)))
    assert "You follow Speech &amp; audio, Language models." in found["html"]
    assert "  - Speech & audio\n  - Language models\n" in found["plain"]
    for body in found.values():
        assert "You confirmed your address on 1 March 2026." in body
        assert "because you subscribed to the daily digest of Paperboy" in unwrapped(body)
    bare = bodies(composer_of(edition).compose(make_recipient(edition, topics=(), confirmed_on=None)))
    assert not any("You follow" in body or "You confirmed" in body for body in bare.values())


@pytest.mark.parametrize(
    ("cadence", "period_on", "words"),
    [
        ("daily", NOON.date(), "Wednesday, 18 March 2026"),
        ("weekly", NOON.date().replace(day=16), "The week in papers, 9–15 March 2026"),
        ("weekly", NOON.date().replace(day=2), "The week in papers, 23 February – 1 March 2026"),
        ("monthly", NOON.date().replace(month=1, day=1), "The month in papers, December 2025"),
    ],
)
def test_the_headline_says_what_the_edition_covers(cadence: str, period_on: Any, words: str) -> None:
    edition = make_edition(PAPERS[:1], cadence=cadence, period_on=period_on)
    raw = composer_of(edition).compose(make_recipient(edition))
    assert lint(raw, hosts=HOSTS) == []
    assert all(words in body for body in bodies(raw).values())


def test_a_first_digest_welcomes() -> None:
    edition = make_edition(PAPERS[:2])
    composer = composer_of(edition)
    welcome = composer.compose(make_recipient(edition, is_welcome=True))
    assert lint(welcome, hosts=HOSTS) == []
    assert all("Here is your first digest" in unwrapped(body) for body in bodies(welcome).values())
    assert "first digest" not in str(bodies(composer.compose(make_recipient(edition))))


def test_a_weeks_papers_stand_under_their_topics_and_the_first_above_them() -> None:
    edition = make_edition(cadence="weekly", period_on=NOON.date())
    found = bodies(composer_of(edition).compose(make_recipient(edition)))
    headings = re.findall(r"^----- (.*) -----$", found["plain"], re.MULTILINE)
    assert headings == ["Computer vision", "Language models", "On other topics"]
    assert re.findall(r'class="headline"[^>]*>([^<]*)<', found["html"]) == headings
    cards = re.findall(r"^ ?\d+\. (.{5,20})", found["plain"], re.MULTILINE)
    order = [1, 2, 5, 8, 3, 6, 7, 10, 4, 9]
    assert cards == [PAPERS[place - 1]["title"][:20] for place in order]
    short = bodies(composer_of(edition).compose(make_recipient(edition, picks=make_recipient(edition).picks[:4])))
    assert "-----\n\n 2." not in short["plain"]


def test_a_week_ends_with_its_numbers_and_a_day_does_not() -> None:
    week = {"window_start_at": NOON - timedelta(days=7)}
    edition = make_edition(PAPERS[:4], cadence="weekly", period_on=NOON.date(), **week)
    for topic in ("vision", "vision", "efficiency"):
        earlier = make_paper(first_seen_at=NOON - timedelta(days=9))
        earlier.paper_topics.create(topic=make_topic(topic), score=0.9)
    make_paper(first_seen_at=NOON, is_hidden=True)
    found = bodies(composer_of(edition).compose(make_recipient(edition)))
    assert "4 new papers, +1 against the week before, 4 of them with code." not in unwrapped(found["plain"])
    assert "4 new papers, +1 against the week before, 3 of them with code." in unwrapped(found["plain"])
    bars = re.findall(r"^(\S.*?)  +(█+) +(\d+ .*)$", found["plain"], re.MULTILINE)
    assert [(name, len(bar), said) for name, bar, said in bars] == [
        ("Language models", 20, "2 (+2)"),
        ("Neural architectures", 10, "1 (+1)"),
        ("Efficient inference & compression", 10, "1 (±0)"),
        ("Speech & audio", 10, "1 (+1)"),
        ("Computer vision", 10, "1 (\u22121)"),
    ]
    widths = re.findall(r'class="bar"[^>]*width:(\d+)%', found["html"])
    assert widths == ["100", "50", "50", "50", "50"]
    assert "+41 upvotes in 24 h: Robust Speech" in unwrapped(found["plain"])
    edition.cadence = Edition.Cadence.DAILY
    assert "in numbers" not in str(bodies(composer_of(edition).compose(make_recipient(edition))))


def test_no_two_of_thirty_subjects_begin_alike() -> None:
    titles = ["A survey of large language models for the sciences: chemistry", "A survey of large language models for"]
    for number in range(30):
        day = NOON.date() - timedelta(days=30 - number)
        paper = {"title": f"{titles[number % 2]} part {number}", "authors": [f"Author {number}"], "arxiv_id": None}
        last = make_edition([paper], period_on=day, state="done", frozen_at=NOON, closes_at=NOON)
        raw = composer_of(last).compose(make_recipient(last))
        assert str(parse(raw)["Subject"]).startswith(f"Author {number}: A survey" if number else "A survey")


def test_excluded_items_are_not_compiled() -> None:
    edition = make_edition(PAPERS[:2])
    item = edition.items.first()
    assert item is not None
    edition.items.filter(pk=item.pk).update(standing=EditionItem.Standing.EXCLUDED)
    assert str(item.pk) not in mail_compile.compile_edition(edition, now=NOON)["items"]


def test_the_edition_counts_those_of_its_cadence_that_got_a_number() -> None:
    for day, state in ((9, "done"), (10, "sending"), (11, "cancelled")):
        make_edition([], period_on=NOON.date().replace(day=day), state=state, frozen_at=NOON, closes_at=NOON)
    for day, state in ((12, "skipped"), (13, "cancelled")):
        make_edition([], period_on=NOON.date().replace(day=day), state=state)
    make_edition(
        [], cadence="weekly", period_on=NOON.date().replace(day=9), state="done", frozen_at=NOON, closes_at=NOON
    )
    edition = make_edition(PAPERS[:1])
    assert "Daily digest no. 4" in bodies(composer_of(edition).compose(make_recipient(edition)))["plain"]


def test_compiling_reads_a_fixed_number_of_rows(django_assert_num_queries: Any) -> None:
    edition = make_edition()
    with django_assert_num_queries(9):
        mail_compile.compile_edition(edition, now=NOON)
    edition.cadence = Edition.Cadence.WEEKLY
    edition.save()
    with django_assert_num_queries(11):
        mail_compile.compile_edition(edition, now=NOON)


def test_composing_is_joining_bytes() -> None:
    edition = make_edition()
    composer, recipient = composer_of(edition), make_recipient(edition)
    best = min(timed(composer, recipient) for _ in range(5))
    assert best < 0.0004  # seconds of CPU a message; 0.00003 measured


def timed(composer: Composer, recipient: Any) -> float:
    started = time.process_time()
    for _ in range(200):
        composer.compose(recipient)
    return (time.process_time() - started) / 200


def test_no_line_of_a_message_begins_with_a_dot_and_the_composer_knows_it() -> None:
    edition = make_edition([{**PAPERS[0], "title": ".\n.. dots first", "abstract": ".\n" * 40 + ". " * 200}])
    composer = composer_of(edition)
    raw = composer.compose(make_recipient(edition))
    assert composer.is_dotless
    assert b"\n." not in raw
    assert raw[:1] != b"."


@pytest.mark.parametrize("piece", [".\r\n", "fine\r\n.\r\n"])
def test_a_fragment_whose_line_begins_with_a_dot_is_noticed(piece: str) -> None:
    compiled = mail_compile.compile_edition(make_edition(PAPERS[:1]), now=NOON)
    compiled["html"]["frame"]["end"] = [piece, piece]
    assert not Composer(compiled, IDENTITY).is_dotless
