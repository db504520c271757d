"""Strangers' words: nothing hidden survives, nothing is too long, nothing is cut in half."""

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from notifiers.text import clean, cut, humanize, mask, one_line, with_full_stop

HOSTILE = [*map(chr, (*range(9), *range(0x202A, 0x202F), *range(0x2066, 0x206A), 0x200B, 0x200E, 0x200F, 0xFEFF))]
PIECES = st.characters(exclude_categories=()) | st.sampled_from([*HOSTILE, "\ud83d", "\n", "\r\n", "e\u0301", "  "])
ANYTHING = st.lists(PIECES, max_size=60).map("".join)


def test_hidden_characters_are_gone_and_the_words_stay() -> None:
    assert clean("INV\u202e-420\u2066-2\x00\u200b24\ud83d\ufeff") == "INV-420-224"


@pytest.mark.parametrize("line_break", ["\n", "\r\n", "\r", "\u2028", "\u2029", "\x85", "\x0b"])
def test_every_line_break_is_the_same_one(line_break: str) -> None:
    assert clean(f"one{line_break}two") == "one\ntwo"


def test_a_column_of_empty_lines_becomes_one() -> None:
    assert clean("one\n \n\t\n\n\ntwo\n\n") == "one\n\ntwo"


def test_one_line_keeps_the_space_that_holds_an_amount_together() -> None:
    assert one_line(" 1\u202f500,00\xa0€ \n\n  due ") == "1\u202f500,00\xa0€ due"


@given(ANYTHING)
def test_clean_text_holds_nothing_that_deceives(text: str) -> None:
    cleaned = clean(text)

    assert not set(cleaned) & set(HOSTILE)
    assert not any(unicodedata.category(char) in {"Cc", "Cs"} for char in cleaned if char != "\n")
    assert clean(cleaned) == cleaned
    assert "\n" not in one_line(text)
    cleaned.encode()


def test_a_wall_of_spaces_costs_no_time_worth_speaking_of() -> None:
    """A quadratic pattern would take minutes here."""
    wall = " " * 200_000

    assert one_line(f"a{wall}b{wall}\x00") == "a b"


@given(ANYTHING, st.integers(0, 40), st.sampled_from(["…", "", " [more]"]))
def test_what_is_cut_is_never_longer_than_allowed(text: str, limit: int, mark: str) -> None:
    shown = cut(text, limit, mark)

    assert len(shown) <= limit
    assert shown == text or len(text) > limit


def test_what_fits_stays_whole_and_what_does_not_says_so() -> None:
    assert cut("twelve chars", 12) == "twelve chars"
    assert cut("twelve chars", 8) == "twelve…"


@pytest.mark.parametrize("cluster", ["e\u0301", "👍\U0001f3fd", "\ud83d\udc4d", "n\u0303\u0323"])
def test_an_accent_is_not_cut_from_its_letter(cluster: str) -> None:
    assert cut(f"abc{cluster}def", 5) == "abc…"


@pytest.mark.parametrize(
    ("name", "initials"),
    [
        ("Jane Roe", "J. R."),
        ("Müller & Söhne GmbH", "M. S. G."),
        ("anne-marie o'neill", "A. M. O."),
        ("  Ærø   Færgefart A/S ", "Æ. F. A."),
        ("李 小龙", "李. 小."),
        ("123 Plumbing", "1. P."),
        ("", "…"),
        ("&\u202e", "…"),
    ],
)
def test_a_masked_name_is_its_initials(name: str, initials: str) -> None:
    assert mask(name) == initials


@pytest.mark.parametrize(
    ("word", "shown"),
    [
        ("wants_callback", "Wants callback"),
        ("ReplyToChat", "Reply to chat"),
        ("SignSDCAContract", "Sign SDCA contract"),
        ("3_months", "3 months"),
        ("Payment Issues", "Payment Issues"),
        ("", ""),
    ],
)
def test_a_machines_word_reads_like_a_persons(word: str, shown: str) -> None:
    assert humanize(word) == shown


def test_a_sentence_gets_its_full_stop_once() -> None:
    assert [with_full_stop(sentence) for sentence in ("So", "So.", "So?", "So…", "")] == [
        "So.",
        "So.",
        "So?",
        "So…",
        "",
    ]
