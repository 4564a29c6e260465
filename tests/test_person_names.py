"""One person's name however it is written, and never two people's."""

import pytest

from newsletter.search.person_names import index_word, is_same_person, name_of, words_of_author

SAME = [
    ("Nora Quist", "N. Quist"),
    ("N. Quist", "Nora Quist"),
    ("Quist, Nora", "N Quist"),
    ("nora quist", "Nóra QUIST"),
    ("Pieter van der Laan", "P. van der Laan"),
    ("Pieter van der Laan", "Pieter Laan"),
    ("van der Laan", "Pieter van der Laan"),
    ("laan", "Pieter van der Laan"),
    ("Jean Le Bec", "Jean LeBec"),
    ("Jean LeBec", "Jean Le Bec"),
    ("Mary Stone", "Mary E. Stone"),
    ("Mary E. Stone", "Mary Stone"),
    ("M. E. Stone", "Mary Ellen Stone"),
    ("Min-Jae Oh", "M.-J. Oh"),
    ("Min-Jae Oh", "Min Jae Oh"),
    ("Minjae Oh", "Min-Jae Oh"),
    ("Di Ma", "D. Ma"),
    ("Klaus Wörner", "Klaus Woerner"),
    ("Klaus Woerner", "K. Wörner"),
    ("Sine Bjørk", "Sine Bjork"),
    ("Orla O'Dell", "Orla O’Dell"),
    ("Tal Ben Ari", "Tal Ben-Ari"),
    ("ari", "Tal Ben-Ari"),
    ("John Stone Jr.", "John Stone"),
    ("王芳", "王芳"),
]
OTHER = [
    ("Song Han", "Rui Song"),
    ("Song Han", "Qi Han"),
    ("Song Han", "Han Song"),
    ("Min Oh", "Min-Jae Oh"),
    ("Di Ma", "Yan Ma"),
    ("Le Tran", "Vu Tran"),
    ("John A. Stone", "John B. Stone"),
    ("Yue Zhang", "Yu Zhang"),
    ("Wei Oh", "Weiwei Oh"),
    ("quist", "Nora Quistgaard"),
    ("Nora Quist", "Quist"),
    ("Nora Quist", ""),
]


@pytest.mark.parametrize(("wanted", "author"), SAME)
def test_the_same_person_is_known_and_found_by_the_index(wanted: str, author: str) -> None:
    assert is_same_person(name_of(wanted), author)
    assert index_word(name_of(wanted)) in words_of_author(author)


@pytest.mark.parametrize(("wanted", "author"), OTHER)
def test_another_person_is_not(wanted: str, author: str) -> None:
    assert not is_same_person(name_of(wanted), author)


def test_no_name_is_nobody() -> None:
    assert not is_same_person((), "Nora Quist")
    assert words_of_author("…") == frozenset()
