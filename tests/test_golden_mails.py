"""Digests byte for byte, for the titles that break mailers; a changed byte is a decision, made by regenerating.

`PAPERBOY_WRITE_GOLDENS=1 python -m pytest tests/test_golden_mails.py` writes tests/golden/*.eml anew; review the diff.
"""

from __future__ import annotations

import json
import os
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings

from newsletter.editions import lifecycle
from newsletter.mail import compile_edition as mail_compile
from newsletter.mail.assemble import Composer
from tests.builders import NOON, make_paper, make_topic
from tests.mail_lint import bodies, lint, parse
from tests.mail_samples import IDENTITY, PAPERS, make_edition, make_recipient

pytestmark = [pytest.mark.django_db, pytest.mark.any_database]

GOLDEN = Path(__file__).parent / "golden"
ABSTRACT = "We study how titles travel. They arrive whole."
# Every character that ends a line or a header somewhere; a NUL cannot be stored on PostgreSQL.
HOSTILE = "".join(
    map(chr, [*range(1, 32), *range(0x7F, 0xA0), 0x2028, 0x2029, *range(0x202A, 0x202F), *range(0x2066, 0x206A)])
)
CASES: dict[str, list[dict[str, Any]]] = {
    "plain": PAPERS,
    "cjk": [
        {
            "title": "大规模弱监督下的鲁棒语音识别：一种面向多语言场景的统一方法",
            "abstract": "本文提出一种统一的方法。它在多种语言上都有效。",
        },
        {
            "title": "拡散モデルによる高解像度画像生成の効率化とその理論的解析について",
            "abstract": "本研究では新しい手法を提案する。",
        },
        {"title": "한국어 음성 인식을 위한 자기지도 학습", "authors": ["김민준", "이서연"], "abstract": ABSTRACT},
    ],
    "arabic": [
        {"title": "التعرف على الكلام العربي باستخدام الشبكات العصبية العميقة", "authors": ["محمد الأحمد", "Jane Doe"]},
        {
            "title": "תרגום מכונה לעברית with Transformers",
            "abstract": "We translate Hebrew. It works from right to left.",
        },
    ],
    "latex": [
        {"title": "Learning 𝒪(n log n) kernels: ∇f ≤ α² for x < y & z > 0, at 10% of the cost ($5 and $6)"},
        {"title": "On β-VAE and Erdős–Rényi graphs", "abstract": "We bound |f(x)| < ε·‖x‖₂ for every x ∈ ℝⁿ."},
    ],
    "998-octets": [
        {"title": "x" * 490 + " tail", "abstract": "y" * 998 + " " + "Z" * 2000},
        {"title": "A title of many short words " * 17, "abstract": "One. " * 300},
    ],
    "emoji": [
        {"title": "👩🏽‍🔬👨‍👩‍👧‍👦 Families of emoji 🏳️‍🌈 in tokenizers 🇩🇪", "abstract": "🧪" * 200},
        {"title": "é" * 60 + "👨‍👩‍👧‍👦" * 30},
    ],
    "hostile": [
        {
            "title": f"paper\x0b\x0bEvil body{HOSTILE}X-Evil: yes",
            "authors": [f"Eve{HOSTILE}<b>", "=?utf-8?q?Mallory?="],
        },
        {"title": "</bdi></a><script>alert(1)</script>{{ 7*7 }}{% now 'Y' %}\r\nBcc: all@example.net", "note": HOSTILE},
        {"title": "=?utf-8?q?forged?= --=_digest_1_daily -->", "abstract": "<!--x:why--> .\n.\nFrom me. a=b =3D\n"},
    ],
}


def check(raw: bytes, *, golden: str) -> None:
    assert lint(raw, hosts=tuple(settings.PAPER_LINK_HOSTS)) == []
    assert set(bodies(raw)) == {"plain", "html"}
    path = GOLDEN / f"{golden}.eml"
    if os.environ.get("PAPERBOY_WRITE_GOLDENS"):
        path.write_bytes(raw)
    assert raw == path.read_bytes()


@pytest.mark.parametrize("case", CASES)
def test_the_mail_is_byte_for_byte_the_golden_one_and_has_no_fault(case: str) -> None:
    edition = make_edition(
        [
            {"arxiv_id": f"2603.{number:05d}", "abstract": ABSTRACT} | paper
            for number, paper in enumerate(CASES[case], 1)
        ],
        pk=12,
        first_item=101,
    )
    compiled = json.loads(json.dumps(mail_compile.compile_edition(edition, now=NOON)))

    check(Composer(compiled, IDENTITY).compose(make_recipient(edition)), golden=case)


@pytest.mark.parametrize(
    ("golden", "cadence", "language", "is_welcome"),
    [
        ("weekly", "weekly", "en", False),
        ("monthly", "monthly", "en", False),
        ("welcome", "daily", "en", True),
        ("weekly-german", "weekly", "de", False),
        ("welcome-german", "weekly", "de", True),
        ("weekly-chinese", "weekly", "zh-hans", False),
        ("welcome-chinese", "daily", "zh-hans", True),
        ("weekly-japanese", "weekly", "ja", False),
        ("welcome-japanese", "daily", "ja", True),
        ("weekly-spanish", "weekly", "es", False),
        ("welcome-spanish", "daily", "es", True),
        ("weekly-french", "weekly", "fr", False),
        ("welcome-french", "daily", "fr", True),
    ],
)
def test_so_is_that_of_every_rhythm_and_language_and_the_first_one(
    golden: str, cadence: str, language: str, is_welcome: bool
) -> None:
    period_on = lifecycle.period_of(cadence, NOON.date())
    papers = PAPERS[:2] if cadence == "daily" or is_welcome else PAPERS
    edition = make_edition(papers, pk=12, first_item=101, cadence=cadence, period_on=period_on, **_window(cadence))
    for days, topic in ((9, "vision"), (40, "speech-audio")):  # came in the week, and in the month, before
        earlier = make_paper(title=f"Earlier {topic}", first_seen_at=NOON - timedelta(days=days))
        earlier.paper_topics.create(topic=make_topic(topic), score=0.9)
    compiled = json.loads(json.dumps(mail_compile.compile_edition(edition, now=NOON, languages={language} - {"en"})))
    composer = Composer(compiled.get("languages", {}).get(language, compiled), IDENTITY)
    check(composer.compose(make_recipient(edition, is_welcome=is_welcome)), golden=golden)


def _window(cadence: str) -> dict[str, Any]:
    return {"window_start_at": NOON - timedelta(days={"daily": 1, "weekly": 7, "monthly": 30}[cadence])}


def test_so_is_that_of_a_reader_whose_first_papers_are_followed() -> None:
    edition = make_edition(PAPERS[:3], pk=12, first_item=101)
    queries = ['author:"Nikhila Ravi"', "preference optimization -image"]
    for item, query in zip(edition.items.order_by("position")[1:], queries, strict=True):
        item.found_by = [["key", query]]
        item.save(update_fields=["found_by"])
    compiled = json.loads(json.dumps(mail_compile.compile_edition(edition, now=NOON)))
    picks = [
        [102, "follow", f"follow:{queries[0]}"],
        [103, "follow", f"follow:{queries[1]}"],
        [101, "trending", "trending"],
    ]
    check(Composer(compiled, IDENTITY).compose(make_recipient(edition, picks=picks)), golden="followed")


@pytest.mark.parametrize(("golden", "language"), [("interests", "en"), ("interests-german", "de")])
def test_so_is_that_of_a_reader_who_keeps_two_interests_apart(golden: str, language: str) -> None:
    edition = make_edition(PAPERS[:7], pk=12, first_item=101)
    edition.items.filter(pk=102).update(found_by=[["key", 'author:"Nikhila Ravi"']])
    edition.items.filter(pk__gt=104).update(standing="also")
    compiled = json.loads(json.dumps(mail_compile.compile_edition(edition, now=NOON, languages=["de"])))
    also = {"topics": [make_topic(slug).pk for slug in ("language-models", "vision")]}
    picks = [
        [102, "follow", 'follow:author:"Nikhila Ravi"', 7],
        [101, "for_you", "topic:speech-audio", 7],
        [103, "for_you", "topic:language-models", 8],
        [104, "outside", "outside", 0],
    ]
    names = {7: "Thèse <b>", 8: ".net & teaching"}
    composer = Composer(compiled["languages"].get(language, compiled), IDENTITY)
    check(composer.compose(make_recipient(edition, picks=picks, interests=names, also=also)), golden=golden)
    for part in ("html", "text"):  # as an older version compiled it
        del compiled[part]["headline"], compiled[part]["room"]
        for item in compiled["items"].values():
            del item[part]["tops"], item[part]["contents"]
    assert Composer(compiled, IDENTITY).compose(make_recipient(edition, picks=picks, interests=names))


def test_so_is_that_of_a_reader_with_other_new_papers_below_the_followed_ones() -> None:
    edition = make_edition(PAPERS, pk=12, first_item=101)
    edition.items.filter(pk=102).update(found_by=[["key", 'author:"Nikhila Ravi"']])
    alone = edition.items.exclude(pk__in=[101, 102, 103])
    alone.update(standing="also")
    also = {"topics": [make_topic(slug).pk for slug in ("language-models", "efficiency")]}
    picks = [[102, "follow", 'follow:author:"Nikhila Ravi"'], [101, "trending", "trending"]]
    compiled = json.loads(json.dumps(mail_compile.compile_edition(edition, now=NOON, languages=["de"])))
    assert set(compiled["items"]) == {"101", "102", "103"}, "no cards of what is there for its line alone"
    recipient = make_recipient(edition, picks=picks, also=also)
    check(Composer(compiled, IDENTITY).compose(recipient), golden="also-new")
    check(Composer(compiled["languages"]["de"], IDENTITY).compose(recipient), golden="also-new-german")


def test_the_subject_reads_as_the_first_title_and_the_count() -> None:
    edition = make_edition(CASES["emoji"])
    raw = Composer(mail_compile.compile_edition(edition, now=NOON), IDENTITY).compose(make_recipient(edition))
    assert parse(raw)["Subject"] == CASES["emoji"][0]["title"] + " + 1 more"


@pytest.mark.parametrize(("golden", "language"), [("editor", "en"), ("editor-german", "de")])
def test_so_is_that_of_an_edition_with_an_editors_own_words(golden: str, language: str) -> None:
    german = {"headline": "Kleine Speicher", "subject": "{paper} und mehr", "editor_note": "Guten *Morgen*."}
    edition = make_edition(
        PAPERS[:3],
        pk=12,
        first_item=101,
        headline="Small memories <b>",
        subject="Small memories: {paper}",
        preheader="And one paper that says where it fails",
        editor_note="Good morning. *Two* papers about [memories](https://arxiv.org/a?a=1&b=2), **read** them:\n\n"
        "- the first\n- then the second\n\n> Not everything that counts",
        signature="Ana Lima",
        translations={"de": german},
    )
    edition.items.filter(pk=101).update(note="*Start* [here](https://arxiv.org/abs/2603.1).", lane="lead")
    edition.items.filter(pk=102).update(note="Plain & simple.", translations={"de": {"note": "Schlicht."}})
    compiled = json.loads(json.dumps(mail_compile.compile_edition(edition, now=NOON, languages=["de"])))
    composer = Composer(compiled["languages"].get(language, compiled), IDENTITY)
    picks = [[101, "lead", "lead"], [103, "trending", "trending"], [102, "pick", "pick"]]
    check(composer.compose(make_recipient(edition, picks=picks)), golden=golden)
