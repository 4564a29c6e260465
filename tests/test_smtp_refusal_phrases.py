"""What the words of a refusal are about: phrases in any language, gaps, what counts as words and what does not."""

from __future__ import annotations

import pytest

from subscriptions.smtp_refusal_phrases import WORDS_LIMIT, Topic, is_gone_under, topics_of
from subscriptions.smtp_replies import says_plainly

NO_USER, PERHAPS = Topic.NO_USER, Topic.GONE_PERHAPS


@pytest.mark.parametrize(
    ("text", "topics"),
    [
        ("", []),
        ("550 5.1.1 thanks", []),
        ("No such user here", [NO_USER]),
        ("NO   SUCH,USER", [NO_USER]),
        ("Message too large, user unknown", [Topic.SIZE, NO_USER, PERHAPS]),  # the mildest first
        ("the disuser unknownish", []),  # whole words only …
        ("没有此用户请检查", [NO_USER]),  # … except where no spaces stand between them
        ("존재하지 않는 사용자입니다", [NO_USER, PERHAPS]),
        ("ไม่พบผู้รับนี้", [PERHAPS]),
        ("Destinatário não existe", [PERHAPS]),  # accents do not count
        ("Konto gesperrt", [Topic.MAILBOX]),
        ("account one two three four five does not exist", [NO_USER, PERHAPS]),  # a gap of up to five words
        ("account one two three four five six does not exist", [PERHAPS]),
    ],
)
def test_words_say_what_a_refusal_is_about(text: str, topics: list[Topic]) -> None:
    assert topics_of(text) == topics


@pytest.mark.parametrize(
    ("text", "topics"),
    [
        ("mailbox full@example.org is gone", []),
        ("host mailbox-full.example said hello", []),
        ("see https://help.example/user-unknown for more", []),
        ("see https://user-unknown.example/help for more", [NO_USER, PERHAPS]),  # a link's host may name a block list
        ("account bob@example.org does not exist", [NO_USER, PERHAPS]),
    ],
)
def test_addresses_hosts_and_paths_are_no_words(text: str, topics: list[Topic]) -> None:
    assert topics_of(text) == topics


def test_only_the_beginning_of_a_long_text_is_read() -> None:
    words = " no such user"
    assert topics_of("x" * (WORDS_LIMIT - len(words)) + words) == [NO_USER]
    assert topics_of("x" * (WORDS_LIMIT - len(words) + 1) + words) == []


@pytest.mark.parametrize(
    ("text", "topic"), [("your mailbox is blocked", Topic.SENDER), ("mailbox is blocked", Topic.MAILBOX)]
)
def test_a_blocked_mailbox_is_not_a_blocked_sender(text: str, topic: Topic) -> None:
    assert topics_of(text) == [topic]


def test_one_systems_code_and_words_together_say_that_an_address_is_gone() -> None:
    said = "550 5.4.1 Recipient address rejected: Access denied."
    assert is_gone_under(["5.1.10", "5.4.1"], said)
    assert is_gone_under(["5.4.1"], "x" * (WORDS_LIMIT - len(said)) + said)
    assert not is_gone_under(["5.4.2"], said)
    assert not is_gone_under(["5.4.1"], "550 5.4.1 Try another relay")
    assert not is_gone_under(["5.4.1"], "x" * WORDS_LIMIT + said)
    assert not is_gone_under([], said)


@pytest.mark.parametrize(
    ("text", "is_plain"),
    [
        *[("No such user here", True), ("null MX", True), ("message too large", True), ("mailbox full", True)],
        *[("", False), ("not found", False), ("rejected", False), ("rejected: not found", False)],
    ],
)
def test_words_that_may_mean_several_things_are_not_plain(text: str, is_plain: bool) -> None:
    assert says_plainly(text) is is_plain
