"""Interactions: signature and origin are verified, each click has one identity, invalid bodies are rejected."""

import hashlib
import hmac
import json
from dataclasses import replace
from datetime import timedelta
from typing import Any, cast
from urllib.parse import quote_plus

import pytest
from hypothesis import given
from hypothesis import strategies as st

from notifiers.i18n.translator import Translator
from notifiers.slack.client import SlackClient
from notifiers.slack.inbound import SlackClicks, identity_of
from notifiers.slack.signature import url_verification_request
from receiver.domain.action import MAX_NOTE
from receiver.domain.notice import Notice
from receiver.domain.people import Person
from receiver.errors import ConfigError, RejectedError
from tests.factories import NOW, make_notice

SECRET = "8f742231b10e8888abcd99yyyzzz85a5"
NO_SLACK = SlackClient("https://slack.invalid/api/", "xoxb-1")


async def notice_for(item_id: str, _place: str) -> Notice | None:
    return make_notice() if item_id == "k7f3q9x2m4ab" else None


def make_clicks(**changes: Any) -> SlackClicks:
    calm: dict[str, Any] = {
        "client": NO_SLACK,
        "notice_for": notice_for,
        "locale_at": lambda _place: "en",
        "translator": Translator(),
        "now": lambda: NOW,
    }
    return SlackClicks(changes.pop("signing_secrets", [SECRET]), **calm | changes)


def press(verb: str = "validate", **changes: Any) -> dict[str, Any]:
    calm = {
        "type": "block_actions",
        "team": {"id": "T1", "domain": "acme"},
        "api_app_id": "A1",
        "user": {"id": "U1", "username": "ana", "name": "ana", "team_id": "T1"},
        "trigger_id": "1.2.abc",
        "container": {"type": "message", "message_ts": "171.2", "channel_id": "C1"},
        "actions": [
            {"action_id": verb, "value": f"k7f3q9x2m4ab.1.{verb}", "action_ts": "1772442000.5", "type": "button"}
        ],
    }
    return calm | changes


def submission(words: object, verb: str = "reject", **held: Any) -> dict[str, Any]:
    kept = {"i": "k7f3q9x2m4ab", "v": 1, "verb": verb, "c": "C1", "t": "171.2", "l": "en"} | held
    return {
        "type": "view_submission",
        "team": {"id": "T1"},
        "api_app_id": "A1",
        "user": {"id": "U1", "name": "ana"},
        "view": {
            "id": "V1",
            "private_metadata": json.dumps(kept),
            "state": {"values": {"words": {"words": {"type": "plain_text_input", "value": words}}}},
        },
    }


def body_of(payload: object) -> bytes:
    return b"payload=" + quote_plus(json.dumps(payload)).encode()


def signed(body: bytes, *, secret: str = SECRET, age_s: int = 0) -> dict[str, str]:
    stamp = str(int((NOW - timedelta(seconds=age_s)).timestamp()))
    digest = hmac.new(secret.encode(), f"v0:{stamp}:".encode() + body, hashlib.sha256).hexdigest()
    return {"x-slack-request-timestamp": stamp, "x-slack-signature": f"v0={digest}"}


def test_a_signed_press_is_accepted_and_has_one_identity_however_often_it_comes() -> None:
    body = body_of(press())

    first = make_clicks().verify(body, signed(body), NOW)
    again = make_clicks().verify(body, signed(body, age_s=60), NOW)

    assert first == again == "T1/171.2/validate/1772442000.5/U1"


def test_both_secrets_count_while_they_are_rotated() -> None:
    body = body_of(press())
    clicks = make_clicks(signing_secrets=["new", SECRET])

    assert clicks.verify(body, signed(body), NOW) == clicks.verify(body, signed(body, secret="new"), NOW)


@pytest.mark.parametrize("secrets", [[], [""], [SECRET, "  "]])
def test_an_empty_secret_is_a_fault_of_the_configuration_and_never_means_off(secrets: list[str]) -> None:
    with pytest.raises(ConfigError):
        make_clicks(signing_secrets=secrets)


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"x-slack-signature": "v0=00"}, "bad_signature"),
        ({"x-slack-signature": "v0=é"}, "bad_signature"),
        ({"x-slack-signature": ""}, "bad_signature"),
        ({"x-slack-request-timestamp": "abc"}, "bad_signature"),
        ({"x-slack-request-timestamp": ""}, "bad_signature"),
        ({"x-slack-request-timestamp": "9" * 5000}, "bad_signature"),
        ({"x-slack-request-timestamp": "1"}, "too_old"),
    ],
)
def test_a_press_with_a_bad_header_is_refused(changes: dict[str, str], code: str) -> None:
    body = body_of(press())

    with pytest.raises(RejectedError) as refused:
        make_clicks().verify(body, signed(body) | changes, NOW)

    assert refused.value.code == code


@pytest.mark.parametrize("age_s", [301, -301])
def test_a_captured_press_cannot_be_replayed_later_nor_dated_ahead(age_s: int) -> None:
    body = body_of(press())

    with pytest.raises(RejectedError) as refused:
        make_clicks().verify(body, signed(body, age_s=age_s), NOW)

    assert refused.value.code == "too_old"


@pytest.mark.parametrize("addition", [b"x", b"\xff\xfe"])
def test_a_changed_body_is_refused_even_if_it_is_no_text(addition: bytes) -> None:
    body = body_of(press())

    with pytest.raises(RejectedError):
        make_clicks().verify(body + addition, signed(body), NOW)


def test_a_request_without_headers_is_refused() -> None:
    with pytest.raises(RejectedError):
        make_clicks().verify(b"payload={}", {}, NOW)


@pytest.mark.parametrize(
    "changes", [{"team": {"id": "T2"}}, {"team": None}, {"api_app_id": "A2"}, {"team": {"id": []}}]
)
def test_a_press_from_another_workspace_or_app_is_refused(changes: dict[str, Any]) -> None:
    body = body_of(press(**changes))

    with pytest.raises(RejectedError) as refused:
        make_clicks(team_ids=["T1"], app_ids=["A1"]).verify(body, signed(body), NOW)

    assert refused.value.code == "unknown_account"


def test_a_press_in_an_organisation_is_known_by_the_organisation() -> None:
    body = body_of(press(team=None, enterprise={"id": "E1"}))

    assert make_clicks(team_ids=["E1"]).verify(body, signed(body), NOW)


@given(body=st.binary(max_size=200), stamp=st.text(max_size=20), signature=st.text(max_size=90))
def test_unsigned_garbage_is_only_ever_refused(body: bytes, stamp: str, signature: str) -> None:
    headers = {"x-slack-request-timestamp": stamp, "x-slack-signature": signature}

    with pytest.raises(RejectedError):
        make_clicks().verify(body, headers, NOW)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)
WHATEVER = st.one_of(
    st.binary(max_size=100),
    st.builds(
        lambda kind, changes: body_of(press() | {"type": kind} | changes),
        st.sampled_from(["block_actions", "view_submission", "view_closed", "shortcut"]),
        st.dictionaries(st.sampled_from(["team", "user", "container", "actions", "view", "type"]), JSON, max_size=4),
    ),
    st.just(b"payload=" + b"[" * 100_000),
    st.just(body_of(submission("\ud800"))),
)


@given(body=WHATEVER)
def test_signed_garbage_never_raises_at_the_door_and_at_most_a_value_error_in_the_store(body: bytes) -> None:
    clicks = make_clicks()
    try:
        body.decode()
    except UnicodeDecodeError:
        return

    identity = clicks.verify(body, signed(body), NOW)
    received = clicks.respond(body)

    assert 0 < len(identity) <= 255
    assert identity.isascii()
    try:
        assert clicks.read(body) is None or received.is_click
    except ValueError:
        assert received.is_click  # stored in quarantine


def test_an_endless_identity_is_hashed() -> None:
    body = body_of(press(user={"id": "U" * 400}))

    assert len(identity_of(body)) == 64


def test_a_certificate_check_is_answered_and_forgotten() -> None:
    body = b"ssl_check=1&token=abc"
    clicks = make_clicks(team_ids=["T1"])

    assert clicks.verify(body, signed(body), NOW) == hashlib.sha256(body).hexdigest()
    assert not clicks.respond(body).is_click
    assert clicks.read(body) is None


def test_a_certificate_check_is_known_wherever_its_word_stands() -> None:
    received = make_clicks().respond(b"token=abc&ssl_check=1")

    assert (received.is_click, received.answer) == (False, None)


def test_an_address_is_verified_by_giving_its_word_back() -> None:
    body, headers = url_verification_request(SECRET, "3eZbrw1aBm2rZgRNFdxV2595E9CY3gmdALWMmHkvFXO7tYXAYM8P", NOW)
    clicks = make_clicks(team_ids=["T1"], app_ids=["A1"])

    assert clicks.verify(body, headers, NOW)
    received = clicks.respond(body)
    assert received.answer == {"challenge": "3eZbrw1aBm2rZgRNFdxV2595E9CY3gmdALWMmHkvFXO7tYXAYM8P"}
    assert not received.is_click
    assert clicks.read(body) is None


def test_an_address_is_not_verified_for_a_stranger() -> None:
    body, headers = url_verification_request("another secret", "word", NOW)

    with pytest.raises(RejectedError):
        make_clicks().verify(body, headers, NOW)


@pytest.mark.parametrize("told", [{"type": "url_verification"}, {"type": "url_verification", "challenge": 7}, [1]])
def test_a_verification_without_a_word_gets_none(told: object) -> None:
    received = make_clicks().respond(json.dumps(told).encode())

    assert received.answer is None


@pytest.mark.parametrize("verb", ["validate", "claim", "release"])
def test_a_button_that_needs_no_words_is_a_click(verb: str) -> None:
    body = body_of(press(verb))
    clicks = make_clicks()

    received, click = clicks.respond(body), clicks.read(body)

    assert received.is_click
    assert received.answer is None
    assert received.after is None
    assert click is not None
    assert (click.item_id, click.version, click.verb, click.via) == ("k7f3q9x2m4ab", 1, verb, "slack")
    assert click.person == Person(name="ana", slack_id="U1")
    assert (click.answer_to, click.shown_at) == ("slack:C1/U1", "slack:C1/171.2")
    assert click.identity == f"T1/171.2/{verb}/1772442000.5/U1"


def test_a_verb_from_the_menu_is_a_click_too() -> None:
    chosen = {"action_id": "more", "selected_option": {"value": "k7f3q9x2m4ab.1.claim"}, "action_ts": "1.2"}
    click = make_clicks().read(body_of(press(actions=[chosen])))

    assert click is not None
    assert click.verb == "claim"


@pytest.mark.parametrize("verb", ["reject", "reply", "note"])
def test_a_button_that_needs_words_opens_a_form_and_is_not_stored(verb: str) -> None:
    body = body_of(press(verb))
    clicks = make_clicks()

    received = clicks.respond(body)

    assert not received.is_click
    assert received.after is not None
    assert clicks.read(body) is None


@pytest.mark.parametrize("action_id", ["open", "media0"])
def test_a_press_on_a_link_is_acknowledged_and_forgotten(action_id: str) -> None:
    body = body_of(press(actions=[{"action_id": action_id, "type": "button", "action_ts": "1.2"}]))
    clicks = make_clicks()

    assert clicks.respond(body) == replace(clicks.respond(b"ssl_check=1"), is_click=False)
    assert clicks.read(body) is None


@pytest.mark.parametrize(
    "action",
    [
        {"action_id": "validate", "value": "k7f3q9x2m4ab.1.reject"},
        {"action_id": "validate", "value": "k7f3q9x2m4ab.1"},
        {"action_id": "explode", "value": "k7f3q9x2m4ab.1.explode"},
        {"action_id": "validate", "value": "k7f3q9x2m4ab.١.validate"},
        {"action_id": "validate"},
        {},
    ],
)
def test_a_button_that_is_none_of_ours_goes_to_the_quarantine(action: dict[str, str]) -> None:
    body = body_of(press(actions=[action]))
    clicks = make_clicks()

    assert clicks.respond(body).is_click
    with pytest.raises(ValueError, match=r"Casebell button|different verbs"):
        clicks.read(body)


@pytest.mark.parametrize(("verb", "field"), [("reject", "note"), ("note", "note"), ("reply", "text")])
def test_a_form_with_words_is_a_click_that_carries_them(verb: str, field: str) -> None:
    body = body_of(submission("  Paid on 3 March.\x00 ", verb))
    clicks = make_clicks()

    received, click = clicks.respond(body), clicks.read(body)

    assert received.is_click
    assert received.answer is None
    assert click is not None
    assert getattr(click, field) == "Paid on 3 March."
    assert (click.answer_to, click.shown_at) == ("slack:C1/U1", "slack:C1/171.2")
    assert click.identity == "V1/U1"


@pytest.mark.parametrize(
    "words", [None, "", "  \n ", "\u200b\u200b", "x" * (MAX_NOTE + 1), "🙂" * (MAX_NOTE // 2 + 1), 7]
)
def test_a_form_without_words_or_with_too_many_says_so_and_is_not_stored(words: object) -> None:
    body = body_of(submission(words))
    clicks = make_clicks()

    received = clicks.respond(body)

    assert not received.is_click
    assert received.answer is not None
    assert received.answer["response_action"] == "errors"
    assert list(cast(dict[str, str], received.answer["errors"])) == ["words"]
    assert clicks.read(body) is None


def test_a_form_is_answered_in_its_own_language() -> None:
    answers = [make_clicks().respond(body_of(submission("", l=locale))).answer for locale in ("en", "fr")]

    assert answers[0] != answers[1]


@pytest.mark.parametrize("held", [{"v": "x"}, {"verb": "validate"}, {"verb": "explode"}, {"i": None}])
def test_a_form_that_is_none_of_ours_goes_to_the_quarantine(held: dict[str, Any]) -> None:
    body = body_of(submission("words", **held))
    clicks = make_clicks()

    assert clicks.respond(body).is_click
    with pytest.raises(ValueError, match=r"Casebell button|no form"):
        clicks.read(body)


@pytest.mark.parametrize("kind", ["view_closed", "shortcut", "message_action", "something_new", None, []])
def test_what_is_no_press_is_acknowledged_and_forgotten(kind: object) -> None:
    body = body_of({"type": kind, "team": {"id": "T1"}})
    clicks = make_clicks()

    assert not clicks.respond(body).is_click
    assert clicks.read(body) is None


def test_a_press_nobody_made_goes_to_the_quarantine() -> None:
    with pytest.raises(ValueError, match="no user id"):
        make_clicks().read(body_of(press(user={})))
