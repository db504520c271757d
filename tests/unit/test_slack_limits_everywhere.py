"""Messages and forms keep Slack's limits for every kind, state and language, with hostile text in every field."""

import itertools
import json
import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from casebell_sandbox.slack_rules import view_violations, violations
from notifiers.i18n.translator import Translator
from notifiers.slack import burst, forms, grouped, modals, wire
from notifiers.slack.render import Message, render, render_text_only, render_undo_offer
from receiver.domain.burst import Burst
from receiver.domain.item import Attempt, Item, Line, Medium, Proposal, Snapshot
from receiver.domain.notice import Link, Notice, Reminder, verbs_for
from receiver.domain.people import Person
from receiver.domain.refusal import SENTENCES
from receiver.domain.routing import Route
from receiver.domain.twin import Twin
from tests import story_cases, story_cases_twins
from tests.factories import NOW, make_item
from tests.faults.much import times
from tests.hostile import HOSTILE
from tests.slack_cases import ALL_VERBS, LOCALES, judge, visible, walk

SAID = story_cases.KINDS | story_cases_twins.KINDS
TRANSLATOR = Translator()
SOON = NOW + timedelta(minutes=10)
HIDDEN = re.compile("[\x00-\x08\u200b\u202a-\u202e\u2066-\u2069\ud800-\udfff]")
PIECES = ("<!channel> & <@U1> ", "\u202eevil\u2066\x00", "👩‍👩‍👧\ud83d")
MENTION = re.compile(r"<[!@#]")


def hostile(said: Snapshot, words: str) -> Snapshot:
    """The snapshot with this text in every field that comes from outside."""
    lines = tuple(Line(line.side, words, words, line.at) for line in said.conversation)
    details = tuple(replace(one, text=words) if one.text is not None else one for one in said.details)
    names = ("title", "question", "quote", "reference", "case_reference", "debtor", "severity", "theme", "status")
    named: dict[str, Any] = dict.fromkeys(names, words)
    return replace(
        said,
        **named,
        account=words,
        conversation=lines,
        details=details,
        media=tuple(replace(one, name=words) for one in (*said.media, Medium("proof", ""))),
        sides=tuple(replace(side, name=words, stage=words, partner=words) for side in said.sides),
    )


STATES: dict[str, Callable[[str], dict[str, Any]]] = {
    "open": lambda _: {},
    "claimed": lambda words: {"claimed_by": words, "note": words, "escalated_at": NOW},
    "snoozed": lambda words: {"snoozed_until": SOON, "snoozed_by": words, "claimed_by": words},
    "refused": lambda words: {"problem": words},
    "in vain": lambda _: {"problem": "still_open"},
    "acting": lambda words: {"state": "acting", "attempt": Attempt(7, "validate", words, words, NOW)},
    "confirmed": lambda words: {
        "state": "acting",
        "attempt": Attempt(7, "reply", words, "mail", NOW, is_accepted=True, confirmed_by=words),
    },
    "proposed": lambda words: {"proposal": Proposal(7, "reject", Person(name=words), "slack", NOW, words)},
    "resolved": lambda words: {
        "state": "resolved",
        "resolved_at": NOW,
        "resolved_by": words,
        "resolved_via": words,
        "outcome": "validated",
        "undo_until": SOON,
    },
    "resolved elsewhere": lambda words: {"state": "resolved", "resolved_at": NOW, "outcome": words},
    "twin": lambda words: {
        "twin": Twin("debitura", words, False, words, words, words, ("owed",), "https://x.example/")
    },
}


@st.composite
def notices(draw: st.DrawFn) -> Notice:
    words = draw(HOSTILE)
    item = make_item(
        hostile(SAID[draw(st.sampled_from(sorted(SAID)))], words),
        **STATES[draw(st.sampled_from(sorted(STATES)))](words),
    )
    route = Route("r", locale=draw(st.sampled_from(LOCALES)), timezone="Europe/Paris", mask_debtor=draw(st.booleans()))
    media = (Link("media", "https://casebell.example.com/media/x", words),) * 8
    solution = (Link("solution", "https://app.example/x"), Link("item", "https://casebell.example.com/items/x"))
    return Notice(item, route, verbs_for(item), (*media, *solution), NOW, maybe_duplicate=draw(st.booleans()))


def faults(message: Message) -> list[str]:
    """What Slack would reject in a message, and what would mislead its readers."""
    found = [*judge(message), *violations(message.blocks, message.text)]
    shown = json.dumps(message.blocks, ensure_ascii=False) + message.text
    found += ["hidden characters"] if HIDDEN.search(shown) else []
    found += ["a mention"] if MENTION.search(message.text) else []
    found += ["more than 40,000"] if len(message.text) > 40_000 else []
    found += [f"{part} is not acknowledged" for part in url_buttons(message) if not wire.is_link(part)]
    return found


def url_buttons(message: Message) -> Iterator[dict[str, Any]]:
    yield from (part for part in walk(message.blocks) if part.get("type") == "button" and "url" in part)


@given(notice=notices())
def test_slack_takes_every_kind_in_every_state_and_language_whatever_anybody_wrote(notice: Notice) -> None:
    story = TRANSLATOR.story(notice)
    message, plainest = render(notice, story, TRANSLATOR.say), render_text_only(notice, story).text

    assert faults(message) == []
    assert violations([], plainest) == []
    assert not HIDDEN.search(plainest)
    assert not MENTION.search(plainest)
    assert len(plainest) < 40_000
    for block in message.blocks:
        assert block["type"] != "actions" or visible(block) <= 3
        assert "\n" not in str(block["text"]["text"]) if block["type"] == "header" else True


@given(notice=notices())
@settings(max_examples=times(20, 800))
def test_what_is_said_below_a_message_or_to_one_person_mentions_nobody(notice: Notice) -> None:
    shown = render_undo_offer(replace(notice, verbs=("undo", "reopen")), TRANSLATOR.story(notice), TRANSLATOR.say)
    below = [
        TRANSLATOR.format_reminder(notice, Reminder(what, by=notice.item.claimed_by))
        for what in ("reminder", "assigned", "woken")
    ]

    assert faults(shown) == []
    assert [one for one in below if not one.strip() or HIDDEN.search(one) or "\n" in one or len(one) > 3_000] == []


@given(told=st.lists(notices(), min_size=1, max_size=4), n=st.sampled_from([1, 10]))
@settings(max_examples=times(5, 400))
def test_slack_takes_what_is_told_together_whatever_anybody_wrote(told: list[Notice], n: int) -> None:
    many = [(notice, TRANSLATOR.story(notice)) for notice in told] * n
    raging = Burst(tuple(one.item for one, _ in many), told[0].route, NOW, NOW, "https://casebell.example.com/", True)

    assert faults(grouped.render(many)) == []
    assert faults(burst.render(raging, TRANSLATOR)) == []


@given(notice=notices(), verb=st.sampled_from(sorted(forms.WITH_FORM)))
@settings(max_examples=times(20, 800))
def test_slack_takes_every_form_of_every_kind_whatever_anybody_wrote(notice: Notice, verb: str) -> None:
    action = wire.ItemAction("k7f3q9x2m4ab", 999_999_999, verb, "C" + "1" * 31, "1" * 12 + "." + "2" * 12)
    view = modals.form(action, notice, TRANSLATOR.story(notice), TRANSLATOR.say)

    assert view_violations(view) == []
    assert not HIDDEN.search(json.dumps(view, ensure_ascii=False))
    assert len(view["private_metadata"]) <= 3_000
    assert wire.form_action(view) == action
    assert not [part for part in walk(view["blocks"]) if part.get("type") in {"mrkdwn", "user", "usergroup"}]


@given(words=HOSTILE, code=st.sampled_from(sorted(SENTENCES)), locale=st.sampled_from(LOCALES))
@settings(max_examples=times(20, 800))
def test_slack_takes_every_refusal_in_place_of_a_form(words: str, code: str, locale: str) -> None:
    def say(message: str, **values: object) -> str:
        return TRANSLATOR.say(locale, message, **values)

    names = ("who", "verb", "outcome", "most", "digits")
    sentence = say(SENTENCES[code], **dict.fromkeys(names, words))
    shown = [
        modals.unavailable(sentence, (Link("item", "https://casebell.example.com/i"),), say),  # type: ignore[arg-type]  # a partial is a function too
        modals.load_error(wire.ItemAction("i", 1, "reject"), sentence, say),  # type: ignore[arg-type]
    ]

    assert [view_violations(view) for view in shown] == [[], []]


@pytest.mark.parametrize(
    ("state", "kind", "piece"), list(zip(itertools.cycle(STATES), SAID, itertools.cycle(PIECES), strict=False))
)
def test_100_000_characters_in_every_field_cost_nobody_a_button(kind: str, state: str, piece: str) -> None:
    flood = piece * (100_000 // len(piece))
    item: Item = make_item(hostile(SAID[kind], flood), **STATES[state](flood))
    notice = Notice(item, Route("r", locale="de"), ALL_VERBS, (Link("solution", "https://app.example/x"),), NOW)
    message = render(notice, TRANSLATOR.story(notice), TRANSLATOR.say)
    carrying = [part for part in walk(message.blocks) if "value" in part]

    assert faults(message) == []
    assert len(carrying) == (len(ALL_VERBS) if item.state == "open" else 0)
    assert all(len(part["value"]) <= 150 for part in carrying)
