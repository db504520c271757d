"""The output of commands on a terminal and in a pipe."""

import json

import pytest

from receiver.cli.output import as_printable, print_json, print_table, progress_bar


def test_text_from_outside_cannot_control_the_terminal() -> None:
    assert as_printable("a\x1b[2Jb\r\nc\u202ed\x9b") == "a [2Jb  c d "


def test_a_table_in_a_pipe_is_not_wrapped_and_shows_markup_as_text(capsys: pytest.CaptureFixture[str]) -> None:
    print_table(("key", "title"), [("getbill:main:agreement:1", "[red]x[/red] " + "y" * 200), (None, "z")])

    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 3
    assert "[red]x[/red] " + "y" * 200 in lines[1]


def test_an_empty_list_is_a_sentence_for_people(capsys: pytest.CaptureFixture[str]) -> None:
    print_table(("key",), [], empty="Nothing is open.")

    assert capsys.readouterr().out == "Nothing is open.\n"


def test_json_goes_to_stdout_and_progress_only_to_a_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    with progress_bar("asking") as step:
        step(1, 2)
        print_json({"name": "Zoë"})

    seen = capsys.readouterr()
    assert (json.loads(seen.out), "Zoë" in seen.out, seen.err) == ({"name": "Zoë"}, True, "")
