"""What authors say of a venue, and what a version changes: word for word, or nothing."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from newsletter.catalogue.paper_updates import acceptance, what_changed


@pytest.mark.parametrize(
    ("comment", "claim"),
    [
        ("Accepted at ICLR 2027", "Accepted at ICLR 2027"),
        ("12 pages, 3 figures, accepted by IEEE TPAMI. Code: https://x.example/", "accepted by IEEE TPAMI"),
        ("Accepted to ICLR 2027 (Oral). Project page at https://x.example", "Accepted to ICLR 2027 (Oral)"),
        ("v2: final version, to appear in J. Alg. Geom.", "to appear in J. Alg. Geom"),
        ("Provisionally accepted by MICCAI 2027; 9 pages", "Provisionally accepted by MICCAI 2027"),
        ("Submitted to COLM, and accepted by the AI4Law workshop at ICML", "accepted by the AI4Law workshop at ICML"),
        (
            "The final version of this note has been accepted for publication in ZAMP",
            "accepted for publication in ZAMP",
        ),
        ("Accepted as a poster at NAACL 2027, 14 pages", "Accepted as a poster at NAACL 2027"),
        ("Published in Nature 651, 914 (2026)", "Published in Nature 651, 914 (2026)"),
    ],
)
def test_a_claim_is_read_word_for_word_and_without_what_follows(comment: str, claim: str) -> None:
    assert acceptance(comment) == claim


@pytest.mark.parametrize(
    "comment",
    [
        "", "24 pages", "Preprint", "Submitted to ICLR 2027", "Under review at TMLR", "ICLR 2027 submission",
        "Submitted to be presented at ICLR 2027", "This work has been submitted to the IEEE for possible publication",
        "Not accepted at ICLR 2027", "Rejected, then accepted nowhere", "Accepted", "accepted version",
        "Extended version of a paper accepted at ICLR 2026", "A preliminary version was published in ICALP 2026",
        "Parts of this were presented at ICLR 2026", "This extends our work published in NeurIPS 2025",
        "Conference version accepted at ICLR 2026", "If accepted to ICLR 2027, code will be published in spring",
        "Code will be published in our GitHub", "Accepted at ICLR 2027 but withdrawn",
        "Accepted at TMLR subject to minor revision", "Accepted by reviewers", "Based on the thesis published in 2024",
    ],
)  # fmt: skip
def test_what_is_no_acceptance_of_this_paper_is_none(comment: str) -> None:
    assert acceptance(comment) == ""


@given(
    st.text(max_size=300)
    | st.lists(st.sampled_from(["accepted ", "at ", "ICML ", ". ", "to appear in ", "; ", "(", "\n"])).map("".join)
)
def test_a_claim_stands_in_the_comment(comment: str) -> None:
    assert acceptance(comment) in " ".join(comment.split()) or acceptance(comment) in comment


def test_numbers_count_and_spelling_does_not() -> None:
    before = "We train a model. It reaches 71.2% on the benchmark. It is fast."
    assert what_changed(before, before.replace("We train", "WE  train")) == {}
    assert what_changed(before, before.replace("fast", "fast and good at what it does every single day"))
    assert what_changed(before, before.replace("71.2", "73.0"))["now"] == ["It reaches 73.0% on the benchmark."]
    assert what_changed(before, "We train a model. It is fast.") == {"gone": ["It reaches 71.2% on the benchmark."]}


SENTENCES = st.sampled_from(["We sing. ", "It is 5. ", "It is 7. ", "All of it, e.g. this, is new. "])


@given(st.lists(SENTENCES, max_size=6).map("".join), st.lists(SENTENCES).map("".join) | st.text(max_size=200))
def test_every_sentence_told_stands_in_one_of_the_abstracts(before: str, after: str) -> None:
    changed = what_changed(before, after)
    assert all(text in after for text in changed.get("now", []))
    assert all(text in before for text in changed.get("gone", []))
