"""The output of commands and faults of the configuration in a terminal."""

import json

import pytest
from click.testing import CliRunner

from receiver.cli import LazyGroup, casebell
from receiver.cli import items as commands
from receiver.cli.output import print_json
from receiver.errors import CasebellError, ConfigError
from receiver.settings.loading import parse
from tests.factories import NOW, make_item, make_snapshot

HOSTILE = "a\x1b]0;owned\x07b\x9b2Jc\u202ed\U000e0041e"
CONFIG = """
public_url  = "https://casebell.example.com"
secret_keys = ["env:KEYS"]
[slack]
bot_token       = "env:TOKEN"
signing_secrets = ["env:NOPE"]
[[routes]]
name  = "all"
slack = ["C0123456789"]
"""


def test_json_of_text_from_outside_cannot_control_the_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    print_json({"title": HOSTILE + "\nZoë"})

    shown = capsys.readouterr().out
    assert all(c.isprintable() or c == "\n" for c in shown)
    assert json.loads(shown) == {"title": HOSTILE + "\nZoë"}
    assert "Zoë" in shown


@pytest.mark.parametrize("error", [CasebellError("refused", HOSTILE), ConfigError(f"one\n{HOSTILE}")])
def test_an_error_that_quotes_text_from_outside_cannot_control_the_terminal(
    error: CasebellError, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise error

    monkeypatch.setattr(LazyGroup, "get_command", fail)
    outcome = CliRunner().invoke(casebell, ["items"])

    assert outcome.exit_code in (1, 2)
    assert all(c.isprintable() or c == "\n" for c in outcome.output)


def test_a_refusal_of_the_source_is_a_sentence_on_one_printable_line() -> None:
    refused = make_item(make_snapshot(source="getbill"), problem=HOSTILE)
    still_open = make_item(make_snapshot(source="debitura"), problem="still_open")

    assert commands.format_problem(refused) == "getbill refused: a ]0;owned b 2Jc d e"
    assert commands.format_problem(still_open) == "debitura took the request, but this is still open there"
    assert commands.format_problem(make_item()) is None


def test_an_item_is_shown_with_what_people_need_for_a_decision(capsys: pytest.CaptureFixture[str]) -> None:
    item = make_item(make_snapshot(deadline_at=NOW), note="Ask Jane again")
    commands.print_item(item, [], [])

    shown = capsys.readouterr().out
    for fact in (
        "I already paid this bill last month",
        "Ask Jane again",
        "collection paused  yes",
        "2026-03-02 09:00 UTC",
    ):
        assert fact in shown


def test_the_json_of_an_item_has_its_key_at_the_top() -> None:
    assert commands.as_document(make_item())["key"] == "getbill:main:debtor_request:enc_234"


def test_a_missing_secret_is_reported_once() -> None:
    with pytest.raises(ConfigError) as caught:
        parse(CONFIG, "casebell.toml", {"KEYS": "k" * 40, "TOKEN": "xoxb-1"})

    assert str(caught.value.message).splitlines() == [
        "casebell.toml: slack.signing_secrets[0]: the environment variable NOPE is not set"
    ]


def test_an_empty_list_is_reported() -> None:
    with pytest.raises(ConfigError) as caught:
        parse(CONFIG.replace('["env:NOPE"]', "[]"), "casebell.toml", {"KEYS": "k" * 40, "TOKEN": "xoxb-1"})

    assert "slack.signing_secrets: is empty" in caught.value.message
