"""Slack messages: state, question and buttons, compared with golden files."""

import json
import os
import re
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from casebell_sandbox.slack_rules import violations
from notifiers.slack import grouped
from notifiers.slack.render import render, render_text_only, render_undo_offer
from receiver.domain.money import Money
from receiver.domain.notice import Link
from tests.factories import NOW, make_item, make_notice, make_snapshot
from tests.slack_cases import (
    ALL_VERBS,
    CASES,
    LINKS,
    LOCALES,
    TRANSLATOR,
    acting,
    judge,
    pressable,
    resolved,
    texts,
    told,
    verbs_of,
    walk,
)

GOLDEN = Path(__file__).parents[1] / "golden" / "slack"


@pytest.mark.parametrize("case", CASES)
def test_people_see_what_the_golden_file_shows(case: str) -> None:
    message = told(CASES[case])
    shown = json.dumps({"text": message.text, "blocks": message.blocks}, indent=2, ensure_ascii=False) + "\n"
    path = GOLDEN / f"{case}.json"

    if os.environ.get("REWRITE_GOLDEN"):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(shown, encoding="utf-8")

    assert shown == path.read_text(encoding="utf-8")


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("locale", LOCALES)
def test_slack_takes_every_message_in_every_language(case: str, locale: str) -> None:
    notice = CASES[case]
    message = told(replace(notice, route=replace(notice.route, locale=locale)))

    assert judge(message) == []
    assert violations(message.blocks, message.text) == []
    assert not [part for part in walk(message.blocks) if part.get("type") == "button" and is_cut(part)]


def is_cut(button: dict[str, Any]) -> bool:
    return str(button["text"]["text"]).endswith("…")


def test_a_dispute_shows_three_buttons_and_hides_the_rest_in_a_menu() -> None:
    message = told(make_notice(links=LINKS, verbs=ALL_VERBS))
    (actions,) = [block for block in message.blocks if block["type"] == "actions"]

    assert [part["action_id"] for part in actions["elements"]] == ["validate", "reject", "open", "more"]
    assert [part.get("style") for part in actions["elements"]] == ["primary", "danger", None, None]
    assert verbs_of(message) == ["validate", "reject", "reply", "claim", "note"]


def test_only_one_button_is_green() -> None:
    message = told(make_notice(links=(), verbs=("validate", "reject", "reply")))

    assert [part.get("style") for part in pressable(message)] == ["primary", "danger", None]


def test_a_button_carries_item_version_and_verb_and_nothing_else() -> None:
    message = told(make_notice(make_item(version=12), links=LINKS))

    assert [part["value"] for part in pressable(message)] == [
        "k7f3q9x2m4ab.12.validate",
        "k7f3q9x2m4ab.12.reject",
        "k7f3q9x2m4ab.12.claim",
        "k7f3q9x2m4ab.12.assign",
        "k7f3q9x2m4ab.12.snooze",
        "k7f3q9x2m4ab.12.note",
    ]


def test_validating_asks_once_more_and_names_amount_and_reference() -> None:
    (button,) = [part for part in pressable(told(make_notice())) if part["value"].endswith("validate")]

    assert "INV-2024-001" in button["confirm"]["text"]["text"]
    assert "1,500.00" in button["confirm"]["text"]["text"]


def test_a_proposal_shows_who_says_what_and_asks_for_a_second_person() -> None:
    message = told(CASES["proposed"])
    (actions,) = [block for block in message.blocks if block["type"] == "actions"]

    assert [part["action_id"] for part in actions["elements"]] == ["confirm", "withdraw", "open", "more"]
    assert "Ana Silva proposes to reject this" in message.text
    assert any("The bank shows no payment" in text for text in texts(message.blocks))
    assert "Validate it or reject it" not in str(message.blocks)
    assert "INV-2024-001" in actions["elements"][0]["confirm"]["text"]["text"]


def test_another_plan_is_proposed_in_figures() -> None:
    assert "12 months from 4 May, first payment €150.50" in str(told(CASES["proposed_plan"]).blocks)


def test_what_a_debtor_proposes_is_accepted_or_declined() -> None:
    labels = [part["text"]["text"] for part in pressable(told(CASES["payment_plan"]))]

    assert labels[:2] == ["Accept", "Decline"]


@pytest.mark.parametrize("locale", LOCALES)
def test_only_whoever_decided_gets_the_way_back(locale: str) -> None:
    item = make_item(
        make_snapshot(is_open=False, verbs=("reopen",)),
        state="resolved",
        version=3,
        resolved_at=NOW,
        outcome="validated",
        resolved_by="Ana Silva",
        undo_until=NOW + timedelta(minutes=10),
    )
    notice = make_notice(item, links=LINKS, route=replace(make_notice().route, locale=locale))
    message = render_undo_offer(notice, TRANSLATOR.story(notice), TRANSLATOR.say)

    assert verbs_of(message) == ["undo", "reopen"]
    assert "10:10" in message.text
    assert violations(message.blocks, message.text) == []
    assert pressable(told(notice)) == []


@pytest.mark.parametrize("locale", LOCALES)
@pytest.mark.parametrize("count", [2, 11, 300])
def test_what_quiet_hours_held_back_fits_into_one_message(locale: str, count: int) -> None:
    hostile = "<!channel> & co " * 40
    notices = [
        make_notice(
            make_item(make_snapshot(title=hostile, debtor=hostile, amount=Money(Decimal(n), "EUR"))),
            route=replace(make_notice().route, locale=locale),
        )
        for n in range(count)
    ]
    message = grouped.render([(notice, TRANSLATOR.story(notice)) for notice in notices])

    assert violations(message.blocks, message.text) == []
    assert str(count) in message.text
    assert "<!" not in message.text
    assert len([part for part in walk(message.blocks) if part.get("type") == "rich_text_section"]) == min(count, 11)


@pytest.mark.parametrize("case", ["acting", "resolved_by_mail", "resolved_elsewhere"])
def test_nothing_can_be_pressed_while_the_source_works_or_when_it_is_done(case: str) -> None:
    notice = replace(CASES[case], verbs=ALL_VERBS)

    assert pressable(told(notice)) == []


def test_a_resolved_message_says_who_did_what_through_what_and_repeats_no_words_of_the_debtor() -> None:
    shown = "\n".join(texts(told(CASES["resolved_by_mail"]).blocks))

    assert shown.startswith("✅")
    assert "Ana Silva" in shown
    assert "I already paid" not in shown


def test_an_acting_message_without_a_status_still_says_what_runs() -> None:
    notice = CASES["acting"]
    story = replace(TRANSLATOR.story(notice), status=None)

    assert "Getbill is being asked…" in texts(render(notice, story, TRANSLATOR.say).blocks)


def test_a_refusal_of_the_source_brings_the_buttons_back_with_the_reason() -> None:
    message = told(CASES["refused"])

    assert verbs_of(message) == ["validate", "reject", "claim", "assign", "snooze", "note"]
    assert any(text.startswith("⚠️") and "already closed" in text for text in texts(message.blocks))


def test_each_urgency_and_state_has_its_own_sign() -> None:
    urgencies = [make_item(make_snapshot(urgency=urgency)) for urgency in ("blocking", "review", "info")]
    signs = [told(make_notice(item)).text.split(" ")[0] for item in (*urgencies, acting(), resolved())]

    assert len(set(signs)) == 5


def test_a_message_that_may_be_the_second_says_so() -> None:
    once, twice = texts(told(make_notice()).blocks), texts(told(make_notice(maybe_duplicate=True)).blocks)

    assert len(set(twice) - set(once)) == 1


def test_the_newest_messages_of_a_conversation_are_shown_oldest_first() -> None:
    shown = [text for text in texts(told(CASES["chat"]).blocks) if text.startswith("Message number")]

    assert shown == ["Message number 4", "Message number 5", "Message number 6"]


@pytest.mark.parametrize(
    "url",
    [
        "javascript:alert(1)",
        "https://evil.example/a b",
        "https://evil.example/|x>",
        "ftp://x/y",
        "https://x/" + "a" * 3000,
    ],
)
def test_a_link_nobody_should_open_is_not_shown(url: str) -> None:
    message = told(make_notice(links=tuple(Link(what, url, "name") for what in ("solution", "media", "item"))))

    assert not [part for part in walk(message.blocks) if "url" in part]


def test_a_signed_action_link_never_reaches_slack() -> None:
    notice = make_notice(links=(*LINKS, Link("validate", "https://casebell.example.com/act/secret")))

    assert "secret" not in json.dumps(told(notice).blocks) + render_text_only(notice, TRANSLATOR.story(notice)).text


def test_a_mention_in_the_debtors_words_stays_text() -> None:
    hostile = "<!channel> <@U1> <https://evil.example|click> *bold* :tada:"
    notice = make_notice(make_item(make_snapshot(quote=hostile, debtor=hostile, title=hostile, reference=hostile)))
    message = told(notice)
    (quote,) = [part for part in walk(message.blocks) if part.get("type") == "rich_text_quote"]

    assert quote["elements"] == [{"type": "text", "text": hostile}]
    assert not re.search(
        r"<[!@#h]", message.text + render_text_only(notice, TRANSLATOR.story(notice)).text.partition("\n")[0]
    )
