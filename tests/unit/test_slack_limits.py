"""Messages and forms keep Slack's limits for any text of a debtor, a source or a translation."""

import json
import re
from dataclasses import replace
from decimal import Decimal
from functools import partial

import pytest
from hypothesis import given
from hypothesis import strategies as st

from casebell_sandbox.slack_rules import view_violations, violations
from notifiers.slack import escaping, forms, modals, wire
from notifiers.slack.render import render, render_text_only
from receiver.domain.item import Item
from receiver.domain.money import Money
from receiver.domain.notice import Link, Story
from receiver.domain.routing import Route
from tests.factories import make_item, make_notice, make_snapshot
from tests.hostile import HOSTILE, ITEMS, STORIES
from tests.slack_cases import (
    ALL_VERBS,
    CASES,
    LINKS,
    LOCALES,
    TRANSLATOR,
    chat_item,
    judge,
    pressable,
    texts,
    told,
    walk,
)


@given(item=ITEMS, story=STORIES, name=HOSTILE, is_repeated=st.booleans())
def test_no_words_however_hostile_break_a_limit_or_cost_a_button(
    item: Item, story: Story, name: str, is_repeated: bool
) -> None:
    named = replace(item, snapshot=replace(item.snapshot, reference=name, source=name, debtor=name))
    links = (*LINKS, *(Link("media", "https://casebell.example.com/media/x", name) for _ in range(8)))
    notice = make_notice(named, links=links, verbs=ALL_VERBS, maybe_duplicate=is_repeated)

    message = render(notice, story, TRANSLATOR.say)
    plainest = render_text_only(notice, story)

    assert judge(message) == []
    assert violations(message.blocks, message.text) == []
    assert len(pressable(message)) == (len(ALL_VERBS) if item.state == "open" else 0)
    assert not re.search("[\x00\u202e\u200b\ud800-\udfff]", json.dumps(message.blocks, ensure_ascii=False))
    assert violations([], plainest.text) == []
    json.dumps(message.blocks, ensure_ascii=False).encode()
    plainest.text.encode()


@pytest.mark.parametrize("piece", ["&", "x", "🙂"])
def test_a_notice_too_long_everywhere_still_fits_and_keeps_its_buttons(piece: str) -> None:
    flood = piece * 100_000
    story = Story(flood, flood, flood, flood, ((flood, flood),) * 20, ((flood, flood, flood),) * 9, flood, flood, flood)
    links = (*LINKS, *(Link("media", "https://casebell.example.com/media/x", flood) for _ in range(8)))
    message = render(make_notice(links=links, verbs=ALL_VERBS, maybe_duplicate=True), story, TRANSLATOR.say)

    assert judge(message) == []
    assert violations(message.blocks, message.text) == []
    assert len(pressable(message)) == len(ALL_VERBS)
    assert sum(part.get("type") == "link" for part in walk(message.blocks)) == 6


def test_a_language_with_endless_words_breaks_no_limit() -> None:
    def say(locale: str, message: str, **values: object) -> str:
        return f"{locale}: {message} & {values}" * 40

    notice = make_notice(links=LINKS, verbs=ALL_VERBS)
    story = TRANSLATOR.story(notice)
    message = render(notice, story, say)
    view = modals.form(wire.ItemAction("i", 1, "reply"), notice, story, say)

    assert judge(message) == []
    assert violations(message.blocks, message.text) == []
    assert view_violations(view) == []
    assert max(escaping.length(view[part]["text"]) for part in ("title", "submit", "close")) <= 24


@given(story=STORIES, locale=st.sampled_from(LOCALES), verb=st.sampled_from(sorted(forms.WITH_FORM)))
def test_slack_takes_every_form(story: Story, locale: str, verb: str) -> None:
    notice = make_notice(chat_item(), route=Route("r", locale=locale))
    action = wire.ItemAction("k7f3q9x2m4ab", 1, verb, "C1", "171.2")

    view = modals.form(action, notice, story, TRANSLATOR.say)

    assert view_violations(view) == []
    assert not [part for part in ("title", "submit", "close") if view[part]["text"].endswith("…")]
    assert (wire.form_action(view), wire.form_metadata(view).locale) == (action, locale)
    assert sum(map(escaping.length, texts(view["blocks"]))) < 12_000


@pytest.mark.parametrize("locale", LOCALES)
def test_slack_takes_what_stands_in_for_a_form(locale: str) -> None:
    words = partial(TRANSLATOR.say, locale)
    views = [modals.loading(words), modals.unavailable("Too late & over. " * 1_000, LINKS, words)]

    assert [view_violations(view) for view in views] == [[], []]
    assert not [view for view in views if view["title"]["text"].endswith("…")]


def test_a_reply_form_shows_the_conversation_and_a_rejection_the_debtors_words() -> None:
    reply = modals.form(
        wire.ItemAction("i", 1, "reply"), CASES["chat"], TRANSLATOR.story(CASES["chat"]), TRANSLATOR.say
    )
    dispute = CASES["open_dispute"]
    reject = modals.form(wire.ItemAction("i", 1, "reject"), dispute, TRANSLATOR.story(dispute), TRANSLATOR.say)

    assert {"Earlier messages: 1", "Message number 2", "Message number 6"} <= set(texts(reply["blocks"]))
    assert "I already paid this bill last month" in texts(reject["blocks"])


def test_an_amount_without_a_currency_is_still_named() -> None:
    notice = make_notice(make_item(make_snapshot(amount=Money(Decimal(1500)))))
    (button,) = [part for part in pressable(told(notice)) if part["value"].endswith("validate")]

    assert "1,500" in button["accessibility_label"]


@pytest.mark.parametrize(
    ("text", "most", "expected"),
    [
        ("short", 5, "short"),
        ("longer", 5, "long…"),
        ("a & b", 5, "a…"),
        ("🙂🙂🙂", 5, "🙂🙂…"),
        ("x", 0, ""),
        ("xx", 1, "…"),
    ],
)
def test_text_is_cut_by_what_slack_may_count(text: str, most: int, expected: str) -> None:
    assert escaping.cut(text, most) == expected
