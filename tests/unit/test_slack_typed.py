"""The text after the slash command is a subcommand or a reference to find."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from notifiers.slack.command import MAX_REFERENCE, SlashCommand, parse


@pytest.mark.parametrize(
    ("typed", "asked"),
    [
        ("", SlashCommand("help")),
        ("help", SlashCommand("help")),
        ("find", SlashCommand("help")),
        ("snooze", SlashCommand("help")),
        ("LIST", SlashCommand("list")),
        ("find  INV-1", SlashCommand("find", "INV-1")),
        ("INV-1", SlashCommand("find", "INV-1")),
        ("INV 1 of 2", SlashCommand("find", "INV 1 of 2")),
        ("snooze INV-1", SlashCommand("snooze", "INV-1")),
        ("snooze INV-1 4h", SlashCommand("snooze", "INV-1", "4h")),
        ("snooze INV 1 Tomorrow", SlashCommand("snooze", "INV 1", "tomorrow")),
        ("snooze INV-1 2026-04-01", SlashCommand("snooze", "INV-1", "2026-04-01")),
        ("snooze INV-1 5h", SlashCommand("snooze", "INV-1", "5h")),
        ("snooze tomorrow", SlashCommand("snooze", "tomorrow")),
        ("snooze INV 1", SlashCommand("snooze", "INV 1")),
    ],
)
def test_a_typed_line_is_understood(typed: str, asked: SlashCommand) -> None:
    assert parse(typed) == asked


@given(st.text(max_size=400))
def test_whatever_is_typed_is_one_of_four_words_about_something_short(typed: str) -> None:
    asked = parse(typed)

    assert asked.subcommand in {"find", "list", "snooze", "help"}
    assert len(asked.reference) <= MAX_REFERENCE + 20
    assert "\n" not in asked.reference
