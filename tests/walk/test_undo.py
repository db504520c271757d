"""Steps 5 and 8 over a real store, for the verbs that take back, put off, pass on, change plans and need two people."""

import asyncio
from dataclasses import replace
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from sqlalchemy import Connection, select

from receiver.domain import plan
from receiver.domain.action import ActionInput, Click, Plan, PlanInput
from receiver.domain.business_time import Calendar
from receiver.domain.fact import SourceCompleted, SourceRefused, SourceReported
from receiver.domain.item import Item, Snapshot
from receiver.domain.money import Money
from receiver.domain.people import People, Person
from receiver.domain.routing import Route
from receiver.pipeline.actions import Refused, Taken, take_action
from receiver.pipeline.apply import apply_fact
from receiver.store import actions, items, messages, payloads
from receiver.store.database import Database
from receiver.store.messages import PostedMessage
from receiver.store.schema import history
from receiver.store.schema import outbox as outbox_table
from tests.factories import NOW, make_snapshot

pytestmark = pytest.mark.anyio

ANNA = Person(email="anna@creditor.example", name="Anna", slack_id="U1")
BEN = Person(email="ben@creditor.example", name="Ben", slack_id="U2")
EVE = Person(email="eve@elsewhere.example", name="Eve")
LISTED = frozenset({"@creditor.example", "anna@creditor.example", "ben@creditor.example"})
PEOPLE = People(resolvers=LISTED, four_eyes_above={"EUR": 10_000.0})
ROUTES = (Route("disputes", slack=("C1",), timezone="Europe/Paris", calendar=Calendar("Europe/Paris", "FR")),)
DEAR = Money(Decimal("10000.01"), "EUR")
AGREEMENT = make_snapshot(kind="agreement", quote=None, verbs=("update_plan",))
WISH = PlanInput("6", "2026-04-01", "250")


async def say(database: Database, snapshot: Snapshot, at: datetime = NOW) -> Item:
    await database.write(apply_fact, SourceReported(snapshot, at), at, ROUTES)
    item = await database.read(items.find_by_key, snapshot.key)
    assert item is not None
    return item


async def current(database: Database) -> Item:
    item = await database.read(items.find_by_key, make_snapshot().key)
    assert item is not None
    return item


class Presser:
    """People who press what is in front of them: always the newest version, each press with its own identity."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._count = 0

    async def __call__(self, verb: str, person: Person = ANNA, now: datetime = NOW, **changes: Any) -> Taken | Refused:
        item = await current(self._database)
        self._count += 1
        name = f"p{self._count}"
        calm = Click(item.id, item.version, verb, person, "slack", name, answer_to=f"slack:C1/{person.slack_id}")
        click = replace(calm, **changes)
        return await self._database.write(take_action, click, now, ROUTES, PEOPLE)


@pytest.fixture
def press(database: Database) -> Presser:
    return Presser(database)


async def waiting(database: Database, what: str) -> list[tuple[str, Any]]:
    def look(connection: Connection) -> list[tuple[str, Any]]:
        columns = outbox_table.c.destination, outbox_table.c.payload
        chosen = select(*columns).where(outbox_table.c.what == what, outbox_table.c.state == "due")
        return [(destination, payload) for destination, payload in connection.execute(chosen)]

    return await database.read(look)


async def facts_of(database: Database) -> list[tuple[str, str | None, str | None]]:
    columns = history.c.fact, history.c.who, history.c.detail
    return await database.read(lambda c: [tuple(row) for row in c.execute(select(*columns).order_by(history.c.id))])


def closed() -> Snapshot:
    return make_snapshot(is_open=False, outcome="validated", verbs=("reopen",))


# Undo and reopen


async def validated(database: Database, press: Presser) -> None:
    await say(database, make_snapshot())
    await press("validate")
    await say(database, closed())


async def test_an_undo_asks_the_source_and_is_in_the_audit(database: Database, press: Presser) -> None:
    await validated(database, press)

    outcome = await press("undo", BEN)
    asked = await current(database)
    await say(database, make_snapshot())
    assert asked.attempt is not None
    await database.write(apply_fact, SourceCompleted(asked.key, asked.attempt.action_id), NOW, ROUTES)

    recorded = await database.read(actions.find, asked.attempt.action_id)
    assert isinstance(outcome, Taken)
    assert (asked.state, asked.attempt.verb, (await current(database)).state) == ("acting", "undo", "open")
    assert recorded is not None
    assert (recorded.verb, recorded.person.name, recorded.state) == ("undo", "Ben", "done")


async def test_after_ten_minutes_an_undo_is_refused_and_a_reopening_with_a_note_is_not(
    database: Database, press: Presser
) -> None:
    await validated(database, press)
    late = NOW + timedelta(minutes=11)

    assert await press("undo", now=late) == Refused("undo_over", {})
    assert await press("reopen", now=late) == Refused("needs_words", {})
    assert isinstance(await press("reopen", now=late, note="wrong debtor"), Taken)


async def test_an_undo_that_the_source_refuses_is_an_action_that_failed(database: Database, press: Presser) -> None:
    await validated(database, press)
    await press("undo")
    asked = (await current(database)).attempt
    assert asked is not None
    await database.write(apply_fact, SourceRefused(make_snapshot().key, asked.action_id, "too late"), NOW, ROUTES)

    recorded = await database.read(actions.find, asked.action_id)
    assert recorded is not None
    assert (recorded.state, recorded.reason) == ("failed", "too late")


# Snooze and assign


async def test_a_snooze_ends_when_business_opens_where_the_route_is(database: Database, press: Presser) -> None:
    await say(database, make_snapshot())

    assert await press("snooze", terms=ActionInput(until="whenever")) == Refused("bad_until", {})
    assert isinstance(await press("snooze", terms=ActionInput(until="tomorrow")), Taken)

    item = await current(database)
    assert (item.snoozed_until, item.snoozed_by) == (datetime.fromisoformat("2026-03-03T09:00+01:00"), "Anna")
    assert isinstance(await press("wake", BEN), Taken)
    assert (await current(database)).snoozed_until is None


async def test_a_colleague_is_told_once_where_the_item_shows(database: Database, press: Presser) -> None:
    item = await say(database, make_snapshot())
    await database.write(messages.save, item.id, PostedMessage("slack:C1", "C1/1.0", "disputes", 1, "open"), NOW)

    assert isinstance(await press("assign", terms=ActionInput(to=BEN)), Taken)

    ((destination, payload),) = await waiting(database, payloads.REMINDER)
    assert ((await current(database)).claimed_by, destination) == ("Ben", "slack:C1")
    assert '"what": "assigned"' in payload
    assert '"slack_id": "U2"' in payload


async def test_nobody_is_told_what_they_gave_to_themselves(database: Database, press: Presser) -> None:
    item = await say(database, make_snapshot())
    await database.write(messages.save, item.id, PostedMessage("slack:C1", "C1/1.0", "disputes", 1, "open"), NOW)

    await press("assign", terms=ActionInput(to=ANNA))

    assert await waiting(database, payloads.REMINDER) == []


async def test_it_is_given_to_people_who_may_decide_and_to_nobody_else(database: Database, press: Presser) -> None:
    await say(database, make_snapshot())

    assert await press("assign") == Refused("nobody", {})
    assert await press("assign", terms=ActionInput(to=EVE)) == Refused("not_a_resolver", {"who": "Eve"})


# Another plan


async def test_a_plan_is_checked_again_with_what_is_owed_now(database: Database, press: Presser) -> None:
    await say(database, AGREEMENT)
    dear = replace(WISH, first_payment="1500.01")

    assert await press("update_plan") == Refused("plan_months", {"most": "120"})
    assert await press("update_plan", terms=ActionInput(plan=dear)) == Refused("plan_amount_over", {})
    taken = await press("update_plan", terms=ActionInput(plan=WISH))

    assert isinstance(taken, Taken)
    recorded = await database.read(actions.find, taken.action_id)
    assert recorded is not None
    assert recorded.terms.plan is not None
    assert plan.parse_plan(recorded.terms.plan) == Plan(6, date(2026, 4, 1), Decimal(250))


# Four eyes


async def test_above_the_limit_the_first_press_only_proposes(database: Database, press: Presser) -> None:
    item = await say(database, make_snapshot(amount=DEAR))
    await database.write(messages.save, item.id, PostedMessage("slack:C1", "C1/1.0", "disputes", 1, "open"), NOW)

    taken = await press("validate", note="paid in March")

    item = await current(database)
    assert isinstance(taken, Taken)
    recorded = await database.read(actions.find, taken.action_id)
    assert recorded is not None
    assert recorded.state == "proposed"
    assert item.proposal is not None
    assert (item.state, item.proposal.person, item.proposal.words) == ("open", ANNA, "paid in March")
    assert await waiting(database, payloads.COMMAND) == []
    assert [destination for destination, _ in await waiting(database, payloads.SHOW)] == ["slack:C1"]


async def test_who_proposed_cannot_confirm_and_the_second_asks_the_source_in_both_names(
    database: Database, press: Presser
) -> None:
    await say(database, make_snapshot(amount=DEAR))
    first = await press("validate")

    by_mail = replace(ANNA, slack_id=None)
    assert await press("confirm", ANNA) == Refused("four_eyes", {})
    assert await press("confirm", by_mail, via="mail") == Refused("four_eyes", {})
    assert await press("confirm", EVE) == Refused("not_allowed", {})
    assert isinstance(await press("confirm", BEN), Taken)

    item = await current(database)
    assert item.attempt is not None
    assert isinstance(first, Taken)
    assert (item.attempt.action_id, item.attempt.who, item.attempt.confirmed_by) == (first.action_id, "Anna", "Ben")
    assert [payload for _, payload in await waiting(database, payloads.COMMAND)] == [
        f'{{"action_id": {first.action_id}}}'
    ]
    assert (await database.read(actions.find, first.action_id)).state == "asked"  # type: ignore[union-attr]
    assert await facts_of(database) == [
        ("SourceReported", None, "suggested"),
        ("PersonProposed", "Anna", "validate"),
        ("PersonConfirmed", "Ben", "confirm"),
    ]


async def test_of_twenty_who_confirm_at_once_one_asks_the_source(database: Database, press: Presser) -> None:
    await say(database, make_snapshot(amount=DEAR))
    await press("validate")
    people = [Person(name=f"P{n}", slack_id=f"UP{n}", email=f"p{n}@creditor.example") for n in range(20)]

    outcomes = await asyncio.gather(*(press("confirm", person) for person in people))

    assert sum(isinstance(outcome, Taken) for outcome in outcomes) == 1
    assert len(await waiting(database, payloads.COMMAND)) == 1


async def test_whoever_cannot_be_told_from_the_first_cannot_confirm(database: Database) -> None:
    listed = frozenset({"U1", "ar@creditor.example", "@creditor.example"})
    people = People(resolvers=listed, four_eyes_above={"EUR": 1.0})
    item = await say(database, make_snapshot())
    tagged = Person(email="anna+2@creditor.example")
    first = Click(item.id, 1, "validate", Person(slack_id="U1"), "slack", "a")
    by_mail = Click(item.id, 2, "confirm", Person(email="ar@creditor.example"), "mail", "b")
    by_tag = Click(item.id, 2, "confirm", tagged, "web", "c")

    async def take(click: Click) -> Taken | Refused:
        return await database.write(take_action, click, NOW, ROUTES, people)

    assert await take(replace(first, person=tagged, identity="d")) == Refused("four_eyes_unlisted", {})
    assert isinstance(await take(first), Taken)
    assert await take(by_mail) == Refused("four_eyes_unsure", {"who": "U1"})
    assert await take(by_tag) == Refused("four_eyes_unlisted", {})


async def test_an_amount_that_is_not_known_takes_two_people(database: Database, press: Presser) -> None:
    await say(database, make_snapshot(amount=None))

    taken = await press("validate")

    assert isinstance(taken, Taken)
    assert (await current(database)).proposal is not None
    assert await waiting(database, payloads.COMMAND) == []


async def test_a_terminal_must_say_whose_eyes_these_are(database: Database, press: Presser) -> None:
    await say(database, make_snapshot(amount=DEAR))
    root = Person(name="root (terminal)")
    anna, ben = replace(ANNA, slack_id=None), replace(BEN, slack_id=None)

    assert await press("validate", root, via="cli") == Refused("four_eyes_who", {})
    assert isinstance(await press("validate", anna, via="cli"), Taken)
    assert await press("confirm", root, via="cli") == Refused("four_eyes_who", {})
    assert await press("confirm", ANNA, via="cli") == Refused("four_eyes", {})
    assert isinstance(await press("confirm", ben, via="cli"), Taken)


async def test_a_withdrawn_proposal_is_told_to_its_author_unless_they_withdrew_it(
    database: Database, press: Presser
) -> None:
    await say(database, make_snapshot(amount=DEAR))
    first = await press("validate")
    await press("withdraw", BEN)
    told = await waiting(database, payloads.REPLY)
    await press("reject", note="no")
    await press("withdraw", ANNA)

    assert isinstance(first, Taken)
    recorded = await database.read(actions.find, first.action_id)
    assert recorded is not None
    assert (recorded.state, recorded.reason) == ("failed", "withdrawn")
    assert [(to, "proposal_withdrawn" in payload, "Ben" in payload) for to, payload in told] == [
        ("slack:C1/U1", True, True)
    ]
    assert await waiting(database, payloads.REPLY) == told
    assert (await current(database)).proposal is None


async def test_a_change_at_the_source_voids_a_proposal_and_tells_its_author(database: Database, press: Presser) -> None:
    await say(database, make_snapshot(amount=DEAR))
    first = await press("validate")

    item = await say(database, make_snapshot(amount=DEAR, title="Wrong amount"))

    assert isinstance(first, Taken)
    recorded = await database.read(actions.find, first.action_id)
    assert recorded is not None
    assert (item.proposal, item.problem) == (None, "proposal_void")
    assert (recorded.state, recorded.reason) == ("failed", "changed at the source")
    assert [(to, "proposal_void" in payload) for to, payload in await waiting(database, payloads.REPLY)] == [
        ("slack:C1/U1", True)
    ]


async def test_a_link_that_proposed_is_used_up_and_one_that_confirms_too(database: Database, press: Presser) -> None:
    item = await say(database, make_snapshot(amount=DEAR))
    for name, person in (("t1", ANNA), ("t2", BEN)):
        ends = NOW + timedelta(days=1)
        token = actions.Token(name, item.id, 1, person.email or "", "disputes", NOW, ends)
        await database.write(actions.add_token_once, token)

    assert isinstance(await press("validate", ANNA, via="mail", token_id="t1"), Taken)
    assert isinstance(await press("withdraw", ANNA, via="mail", token_id="t1"), Taken)
    assert await press("reject", ANNA, via="mail", token_id="t1", note="no") == Refused("link_used", {})
    assert isinstance(await press("validate", ANNA), Taken)
    assert isinstance(await press("confirm", BEN, via="mail", token_id="t2"), Taken)
    assert (await database.read(actions.find_token, "t2")).used_verb == "confirm"  # type: ignore[union-attr]


async def test_a_claim_or_a_note_above_the_limit_needs_no_second_person(database: Database, press: Presser) -> None:
    await say(database, make_snapshot(amount=DEAR))

    assert isinstance(await press("claim"), Taken)
    assert isinstance(await press("note", note="called them"), Taken)
    assert ((await current(database)).proposal, (await current(database)).claimed_by) == (None, "Anna")
