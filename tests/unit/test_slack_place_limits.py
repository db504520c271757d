"""The Home tab, command answers, previews and templates keep Slack's limits for any text from outside."""

from dataclasses import replace
from decimal import Decimal
from functools import partial

from babel.numbers import list_currencies
from hypothesis import given, settings
from hypothesis import strategies as st

from casebell_sandbox.slack_rules import view_violations, violations
from notifiers.slack import app_home, command, modals, templates, unfurl, wire
from notifiers.slack.tables import Entry
from receiver.domain.item import Item
from receiver.domain.money import Money
from receiver.domain.notice import Story
from receiver.domain.overview import Overview
from receiver.domain.reply_template import ReplyTemplate
from receiver.domain.routing import Route
from receiver.domain.totals import AtRisk, Totals
from receiver.operations.queries import MOST_FOUND, MOST_MINE, MOST_WAITING
from tests.factories import NOW, make_notice
from tests.faults import much
from tests.hostile import HOSTILE, ITEMS, STORIES
from tests.slack_cases import ALL_VERBS, LINKS, LOCALES, TRANSLATOR, chat_item

SAY = TRANSLATOR.say
EVERY_CURRENCY = tuple(AtRisk(Money(Decimal(10**14), one), 1, ()) for one in sorted(list_currencies()))


def told(item: Item, story: Story, name: str, locale: str = "en") -> Entry:
    named = replace(item, snapshot=replace(item.snapshot, reference=name, source=name, debtor=name))
    return make_notice(named, links=LINKS, verbs=ALL_VERBS, route=Route("r", locale=locale)), story


@given(item=ITEMS, story=STORIES, name=HOSTILE, locale=st.sampled_from(LOCALES))
@settings(max_examples=much.times(8, 400))
def test_a_full_home_tab_and_a_full_list_are_taken_by_slack(item: Item, story: Story, name: str, locale: str) -> None:
    one = told(item, story, name, locale)
    mine, waiting = [one] * MOST_MINE, [told(replace(item, id="another"), story, name, locale)] * MOST_WAITING
    totals = Totals(10**9, 10**9, 10**9, 10**9, NOW, EVERY_CURRENCY, 10**9)
    notices = (tuple(n for n, _ in mine), tuple(n for n, _ in waiting))
    overview = Overview(*notices, totals, 0, 10**9, route=one[0].route, now=NOW)
    words = partial(SAY, locale)

    listed = command.render_matches([one] * MOST_FOUND, name[: command.MAX_REFERENCE], words, SAY)

    assert view_violations(app_home.render_home(overview, mine, waiting, SAY)) == []
    assert violations(listed.blocks, listed.text) == []
    assert listed.text.strip()


@given(item=ITEMS, story=STORIES, name=HOSTILE)
def test_one_item_found_or_linked_is_taken_by_slack(item: Item, story: Story, name: str) -> None:
    one = told(item, story, name)
    nothing = command.render_matches([], name, partial(SAY, "en"), SAY)

    assert violations(unfurl.render_preview(one, SAY)["blocks"], "") == []
    assert violations(nothing.blocks, nothing.text) == []
    assert "<!" not in nothing.text


@given(story=STORIES, name=HOSTILE, text=st.text(max_size=2_000), times=st.integers(1, 4))
def test_a_reply_begun_with_any_template_is_taken_by_slack(story: Story, name: str, text: str, times: int) -> None:
    notice, _ = told(chat_item(), story, name)
    chosen = [ReplyTemplate(f"{n} {name[:70]}", "{debtor}" * 200 + text, "da") for n in range(120)]
    action = wire.ItemAction(notice.item.id, 1, "reply")
    form = modals.form(action, notice, story, SAY)

    for refill in (None, templates.Refill(chosen[0], times)):
        drawn = templates.add_menu(form, chosen, notice, partial(SAY, "en"), refill)
        assert view_violations(drawn) == []
