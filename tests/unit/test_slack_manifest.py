"""The app manifest is valid and requests only the scopes and events that are used."""

import json
import re
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from click.testing import CliRunner

from notifiers.slack.manifest import MAX_URL, SCOPES, SURFACES, manifest
from receiver.cli import casebell
from tests.harness import ROOT

URL = "https://casebell.example.com"
SCHEMAS = ROOT / ".build" / "slackschema"
INSTALL = ROOT / "tests" / "slackschema" / "install.sh"


@pytest.fixture
def schema() -> dict[str, Any]:
    """Slack's own JSON Schema, at the commit that tests/slackschema/install.sh pins."""
    named = re.search(r"^commit=([0-9a-f]{40})$", INSTALL.read_text(encoding="utf-8"), re.MULTILINE)
    assert named, "install.sh names no commit"
    found = SCHEMAS / f"{named[1]}.json"
    if not found.is_file():
        pytest.skip("Slack's schema of manifests is not here (bash tests/slackschema/install.sh fetches it)")
    read: dict[str, Any] = json.loads(found.read_text(encoding="utf-8"))
    return read


def run(*words: str) -> tuple[int, str, str]:
    done = CliRunner().invoke(casebell, ["slack", "manifest", *words])
    return done.exit_code, done.stdout, done.stderr


@pytest.mark.parametrize("places", [(), ("home",), ("command",), ("links",), SURFACES])
def test_slack_itself_would_take_the_manifest(schema: dict[str, Any], places: tuple[str, ...]) -> None:
    jsonschema.Draft7Validator.check_schema(schema)

    jsonschema.validate(manifest(URL, places), schema)
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(manifest(URL) | {"features": {"bot_user": {}}}, schema)


def test_without_more_it_asks_for_the_three_scopes_that_alerts_need_and_hears_no_events() -> None:
    told = manifest(f"{URL}/")

    assert told["oauth_config"]["scopes"]["bot"] == list(SCOPES)
    assert told["settings"]["interactivity"] == {"is_enabled": True, "request_url": f"{URL}/slack/interactions"}
    assert "event_subscriptions" not in told["settings"]
    assert set(told["features"]) == {"bot_user"}


def test_each_further_place_adds_what_it_needs_and_no_more() -> None:
    home, command, links = (json.loads(run("--public-url", URL, f"--{place}")[1]) for place in SURFACES)

    assert home["oauth_config"]["scopes"]["bot"] == list(SCOPES)
    assert home["settings"]["event_subscriptions"] == {
        "request_url": f"{URL}/slack/events",
        "bot_events": ["app_home_opened"],
    }
    assert command["oauth_config"]["scopes"]["bot"] == [*SCOPES, "commands"]
    assert command["features"]["slash_commands"][0]["url"] == f"{URL}/slack/commands"
    assert "event_subscriptions" not in command["settings"]
    assert links["oauth_config"]["scopes"]["bot"] == [*SCOPES, "links:read", "links:write"]
    assert links["features"]["unfurl_domains"] == ["casebell.example.com"]
    assert links["settings"]["event_subscriptions"]["bot_events"] == ["link_shared"]


def test_all_places_together_hear_both_events() -> None:
    assert manifest(URL, SURFACES)["settings"]["event_subscriptions"]["bot_events"] == [
        "app_home_opened",
        "link_shared",
    ]


def test_an_address_longer_than_slack_takes_is_refused() -> None:
    with pytest.raises(ValueError, match=str(MAX_URL)):
        manifest(URL + "/" + "a" * MAX_URL)


def test_the_command_needs_the_public_url_and_no_secret(tmp_path: Path) -> None:
    config = tmp_path / "casebell.toml"
    config.write_text(f'public_url = "{URL}"\nsecret_keys = ["env:NOT_SET_ANYWHERE"]\n')

    code, out, err = run("--config", str(config))

    assert (code, json.loads(out), err) == (0, manifest(URL), "")


def test_the_command_takes_an_address_without_any_configuration_and_warns_of_plain_http() -> None:
    code, out, err = run("--public-url", "http://127.0.0.1:8080")

    assert (code, json.loads(out)) == (0, manifest("http://127.0.0.1:8080"))
    assert "https" in err


@pytest.mark.parametrize(
    ("text", "said"),
    [("", "public_url: is missing"), ('public_url = "ftp://x"', "public_url"), ("public_url = 3", "is not a text")],
)
def test_an_address_that_is_none_is_a_fault_with_its_cure(tmp_path: Path, text: str, said: str) -> None:
    config = tmp_path / "casebell.toml"
    config.write_text(text)

    code, out, err = run("--config", str(config))

    assert (code, out) == (2, "")
    assert said in err
