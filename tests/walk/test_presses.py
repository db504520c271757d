"""Facts and clicks on a real store: a decision has one effect, and whoever comes second gets the reason."""

import asyncio
from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy import Connection, select

from receiver.domain.action import Click
from receiver.domain.fact import SourceGone, SourceRefused, SourceReported
from receiver.domain.item import Item
from receiver.domain.people import People, Person
from receiver.domain.routing import Match, Route
from receiver.pipeline.actions import Refused, Taken, take_action
from receiver.pipeline.apply import apply_fact
from receiver.store import actions, items, messages, outbox, payloads
from receiver.store.database import Database
from receiver.store.messages import PostedMessage
from receiver.store.schema import history
from receiver.store.schema import outbox as outbox_table
from tests.factories import NOW, make_snapshot

pytestmark = pytest.mark.anyio

ANNA = Person(email="anna@creditor.example", name="Anna")
BEN = Person(email="ben@creditor.example", name="Ben")
EVE = Person(email="eve@elsewhere.example", name="Eve")
PEOPLE = People(resolvers=frozenset({"@creditor.example"}))
ROUTES = (
    Route("disputes", Match(source=("getbill",)), slack=("C1", "C2"), email=("ar@creditor.example",)),
    Route("rest", slack=("C3",)),
)


async def open_item(database: Database) -> Item:
    await database.write(apply_fact, SourceReported(make_snapshot(), NOW), NOW, ROUTES)
    return await current(database)


async def current(database: Database) -> Item:
    item = await database.read(items.find_by_key, make_snapshot().key)
    assert item is not None
    return item


def click_on(item: Item, person: Person = ANNA, identity: str = "p1", **changes: object) -> Click:
    click = Click(item.id, item.version, "validate", person, "slack", identity, answer_to=f"slack:C1/{person.name}")
    return replace(click, **changes)  # type: ignore[arg-type]


async def take(database: Database, click: Click) -> Taken | Refused:
    return await database.write(take_action, click, NOW, ROUTES, PEOPLE)


async def due_destinations(database: Database, what: str) -> list[str]:
    def select_due(connection: Connection) -> list[str]:
        chosen = select(outbox_table.c.destination).where(outbox_table.c.what == what, outbox_table.c.state == "due")
        return sorted(connection.execute(chosen).scalars())

    return await database.read(select_due)


async def test_an_opened_item_rings_where_its_route_says_and_nowhere_else(database: Database) -> None:
    await open_item(database)

    assert await due_destinations(database, payloads.SHOW) == ["mail:ar@creditor.example", "slack:C1", "slack:C2"]


async def test_a_press_asks_the_source_once_and_redraws_every_message(database: Database) -> None:
    item = await open_item(database)
    await database.write(messages.save, item.id, PostedMessage("slack:C1", "C1/1.0", "disputes", 1, "open"), NOW)

    outcome = await take(database, click_on(item))

    assert isinstance(outcome, Taken)
    assert await due_destinations(database, payloads.COMMAND) == ["getbill:main"]
    assert (await current(database)).state == "acting"


async def test_the_same_press_delivered_again_has_no_second_effect(database: Database) -> None:
    item = await open_item(database)
    first = await take(database, click_on(item))
    again = await take(database, click_on(item))

    assert (isinstance(first, Taken), again) == (True, Taken(1, is_again=True))
    assert await due_destinations(database, payloads.COMMAND) == ["getbill:main"]


async def test_of_twenty_people_at_once_one_wins_and_the_others_are_told_who(database: Database) -> None:
    item = await open_item(database)
    people = [Person(email=f"p{n}@creditor.example", name=f"P{n}") for n in range(20)]

    outcomes = await asyncio.gather(*(take(database, click_on(item, p, f"id-{p.name}")) for p in people))

    winners = [p for p, outcome in zip(people, outcomes, strict=True) if isinstance(outcome, Taken)]
    losers = [outcome for outcome in outcomes if isinstance(outcome, Refused)]
    assert len(winners) == 1
    assert {(r.code, r.values["who"]) for r in losers} == {("already_acting", winners[0].name)}
    assert len(await due_destinations(database, payloads.REPLY)) == 19
    assert await due_destinations(database, payloads.COMMAND) == ["getbill:main"]


async def test_a_late_press_changes_nothing_and_says_what_happened_since(database: Database) -> None:
    item = await open_item(database)
    resolved = make_snapshot(is_open=False, outcome="rejected")
    await database.write(apply_fact, SourceReported(resolved, NOW), NOW, ROUTES)

    outcome = await take(database, click_on(item))

    assert outcome == Refused("resolved_elsewhere", {"outcome": "rejected"})
    assert await due_destinations(database, payloads.COMMAND) == []
    assert await due_destinations(database, payloads.REPLY) == ["slack:C1/Anna"]


async def test_a_press_on_words_that_changed_since_must_be_pressed_again(database: Database) -> None:
    item = await open_item(database)
    await database.write(apply_fact, SourceReported(make_snapshot(title="Other"), NOW), NOW, ROUTES)

    assert await take(database, click_on(item)) == Refused("stale", {})


async def test_a_stranger_is_refused_and_written_down(database: Database) -> None:
    item = await open_item(database)

    outcome = await take(database, click_on(item, EVE))
    recorded = await database.read(actions.find_by_identity, "p1")

    assert outcome == Refused("not_allowed", {})
    assert (await current(database)).state == "open"
    assert recorded is not None
    assert (recorded.state, recorded.reason, recorded.person.name) == ("refused", "not_allowed", "Eve")


async def test_a_rejection_without_a_word_is_refused(database: Database) -> None:
    item = await open_item(database)

    assert await take(database, click_on(item, verb="reject", note="  ")) == Refused("needs_words", {})


async def test_a_verb_that_the_source_does_not_take_is_refused(database: Database) -> None:
    item = await open_item(database)

    assert await take(database, click_on(item, verb="reply", text="hello")) == Refused("not_offered", {})


async def test_a_terminal_that_comes_late_is_told_what_happened_though_it_knows_the_newest_version(
    database: Database,
) -> None:
    await open_item(database)
    resolved = make_snapshot(is_open=False, outcome="rejected")
    await database.write(apply_fact, SourceReported(resolved, NOW), NOW, ROUTES)

    outcome = await take(database, click_on(await current(database), via="cli"))

    assert outcome == Refused("resolved_elsewhere", {"outcome": "rejected"})


async def test_a_link_decides_once_whatever_it_is_asked(database: Database) -> None:
    item = await open_item(database)
    token = actions.Token("t1", item.id, 1, "anna@creditor.example", "disputes", NOW, NOW + timedelta(days=1))
    await database.write(actions.add_token_once, token)
    first = await take(database, click_on(item, identity="a", via="mail", token_id="t1"))
    asked = (await current(database)).attempt
    assert asked is not None
    await database.write(apply_fact, SourceRefused(item.key, asked.action_id, "no"), NOW, ROUTES)

    back = await current(database)
    second = await take(database, click_on(back, identity="b", via="mail", token_id="t1"))

    assert isinstance(first, Taken)
    assert (back.state, second) == ("open", Refused("link_used", {}))


async def test_claiming_needs_no_source_and_shows_at_once(database: Database) -> None:
    item = await open_item(database)

    await take(database, click_on(item, verb="claim"))
    late = await take(database, click_on(item, BEN, "p2", verb="claim"))

    assert (await current(database)).claimed_by == "Anna"
    assert late == Refused("claimed", {"who": "Anna"})
    assert await due_destinations(database, payloads.COMMAND) == []


async def test_a_message_that_was_never_written_down_is_found_when_it_is_pressed(database: Database) -> None:
    item = await open_item(database)

    await take(database, click_on(item, shown_at="slack:C1/171.2"))
    found = await database.read(messages.list_of_item, item.id, "slack:C1")

    assert [message.reference for message in found] == ["C1/171.2"]


async def test_the_action_ends_as_done_when_the_source_confirms_it(database: Database) -> None:
    item = await open_item(database)
    await take(database, click_on(item))
    fact = SourceReported(make_snapshot(is_open=False, outcome="validated"), NOW)
    await database.write(apply_fact, fact, NOW, ROUTES)

    recorded = await database.read(actions.find_by_identity, "p1")

    assert recorded is not None
    assert recorded.state == "done"
    assert ((await current(database)).resolved_by, (await current(database)).resolved_via) == ("Anna", "slack")


async def test_the_action_ends_as_failed_when_somebody_decided_otherwise_at_the_source(database: Database) -> None:
    item = await open_item(database)
    await take(database, click_on(item))
    fact = SourceReported(make_snapshot(is_open=False, outcome="rejected"), NOW)
    await database.write(apply_fact, fact, NOW, ROUTES)

    recorded = await database.read(actions.find_by_identity, "p1")

    assert recorded is not None
    assert recorded.state == "failed"


async def test_every_fact_that_mattered_is_in_the_timeline(database: Database) -> None:
    item = await open_item(database)
    await take(database, click_on(item, verb="claim"))
    await database.write(apply_fact, SourceReported(make_snapshot(title="old"), NOW - timedelta(hours=1)), NOW, ROUTES)
    await database.write(apply_fact, SourceGone(item.key, NOW, outcome="gone"), NOW, ROUTES)

    facts = [(e.fact, e.transition, e.ignored) for e in await database.read(items.list_timeline, item.id)]

    assert facts == [
        ("SourceReported", "opened", None),
        ("PersonActed", "changed", None),
        ("SourceReported", None, "older"),
        ("SourceGone", "resolved", None),
    ]


async def test_an_unchanged_poll_leaves_no_trace_in_the_timeline(database: Database) -> None:
    await open_item(database)
    for _ in range(3):
        await database.write(apply_fact, SourceReported(make_snapshot(), NOW), NOW, ROUTES)

    def lines(connection: Connection) -> int:
        return len(connection.execute(select(history.c.id)).all())

    assert await database.read(lines) == 1


async def test_a_change_while_the_first_message_is_on_its_way_is_shown_after_it(database: Database) -> None:
    item = await open_item(database)
    await database.write(outbox.claim, NOW, "c1", 50, (), 4)

    await database.write(apply_fact, SourceReported(make_snapshot(title="Other"), NOW), NOW, ROUTES)
    (delivery,) = (await database.read(outbox.list_of_item, item.id))[3:4]

    assert len(await database.read(outbox.list_of_item, item.id)) == 6
    assert (delivery.what, delivery.state, delivery.attempts) == (payloads.SHOW, "due", 0)
