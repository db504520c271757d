"""What time does to an item: late answers, clocks that were set back, accounts that nobody hears of any more."""

from datetime import timedelta

import pytest

from notifiers.i18n.translator import Translator
from receiver.context import Adapters
from receiver.domain.fact import PersonRequested, SourceAccepted, SourceReported
from receiver.domain.item import Attempt, Item
from receiver.domain.ledger import MAX_COMPLETION_TIME, Applied, Ignored, decide
from receiver.domain.people import Person
from receiver.domain.routing import Route
from receiver.observability import Metrics
from receiver.pipeline.apply import apply_fact, apply_facts
from receiver.pipeline.ingest import apply_in_chunks
from receiver.store import items
from receiver.store.database import Database
from receiver.sync.reconcile import STUCK_AFTER, reopen_stuck_items
from tests.factories import NOW, make_item, make_rules, make_snapshot

pytestmark = pytest.mark.anyio

KEY = make_snapshot().key
ROUTES = (Route("disputes", slack=("C1",)),)


def after(item: Item, fact: SourceReported | SourceAccepted, seconds: float) -> Item:
    decision = decide(item, fact, NOW + timedelta(seconds=seconds), "newid")
    assert isinstance(decision, Applied), decision
    return decision.item


def test_what_the_source_took_late_is_awaited_as_long_as_what_it_took_at_once() -> None:
    asked = make_item(state="acting", version=2, attempt=Attempt(1, "reply", "Anna", "slack", NOW))
    late_s = MAX_COMPLETION_TIME.total_seconds() + 60

    taken = after(asked, SourceAccepted(KEY, 1), late_s)
    polled = after(taken, SourceReported(make_snapshot(), NOW + timedelta(seconds=late_s + 5)), late_s + 5)
    end_s = 2 * late_s + 5
    given_back = after(polled, SourceReported(make_snapshot(), NOW + timedelta(seconds=end_s)), end_s)

    assert (polled.state, polled.problem) == ("acting", None)
    assert (given_back.state, given_back.problem) == ("open", "still_open")


def test_a_clock_that_was_set_back_does_not_freeze_what_was_heard_before() -> None:
    old = SourceReported(make_snapshot(title="Now"), NOW - timedelta(seconds=9))

    heard = after(make_item(said_at=NOW + timedelta(days=400)), old, 1)
    a_little_off = decide(make_item(said_at=NOW + timedelta(milliseconds=50)), old, NOW, "x")

    assert (heard.snapshot.title, heard.said_at) == ("Now", old.said_at)
    assert a_little_off == Ignored("older")


async def test_one_fact_that_cannot_be_stored_keeps_no_other_from_being_applied(database: Database) -> None:
    adapters = Adapters(database, make_rules(routes=ROUTES), Translator(), Metrics(), now=lambda: NOW)
    facts = [
        SourceReported(make_snapshot(key=f"k{n}", title="half \ud83d" if n == 7 else None), NOW) for n in range(120)
    ]

    counted, _ = await apply_in_chunks(adapters, facts)

    assert counted == {"opened": 119}
    assert len(await database.read(items.list_open_keys, "getbill", "main")) == 119


async def test_an_order_that_a_source_took_and_never_spoke_of_again_comes_back_to_people(database: Database) -> None:
    now = NOW
    adapters = Adapters(database, make_rules(routes=ROUTES), Translator(), Metrics(), now=lambda: now)
    await database.write(apply_fact, SourceReported(make_snapshot(), NOW), NOW, ROUTES)
    asked = PersonRequested(KEY, 1, "validate", Person(name="Anna"), "slack")
    await database.write(apply_facts, [asked, SourceAccepted(KEY, 1)], NOW, ROUTES)

    soon = await reopen_stuck_items(adapters)
    now += STUCK_AFTER + timedelta(minutes=1)
    late = await reopen_stuck_items(adapters)

    item = await database.read(items.find_by_key, KEY)
    assert (soon, late) == (0, 1)
    assert item is not None
    assert (item.state, item.problem) == ("open", "still_open")
