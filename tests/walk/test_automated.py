"""Steps 5 and 8 over a real store, pressed by a rule: at once, once, within its share, and never against a person."""

import asyncio
import threading
from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from sqlalchemy import Connection, select, text

from receiver.alerting.monitor import watch
from receiver.context import Desk
from receiver.domain.action import Click
from receiver.domain.automation import Automation
from receiver.domain.fact import Fact, SourceAccepted, SourceDid, SourceRefused, SourceSaid
from receiver.domain.item import Item, Snapshot
from receiver.domain.money import Money
from receiver.domain.people import People, Person
from receiver.domain.routing import Match, Route
from receiver.domain.token import Tokens
from receiver.jobs.reminders import remind_due
from receiver.observability import Metrics
from receiver.pipeline.actions import Refused, take_action
from receiver.pipeline.apply import apply_fact, apply_facts
from receiver.pipeline.automations import Pressed, apply_considered
from receiver.pipeline.ingest import apply_in_chunks
from receiver.store import actions, alerts, items
from receiver.store.database import Database, open_database
from receiver.store.schema import action, history
from receiver.store.schema import outbox as outbox_table
from tests.act_site import PlainTeller
from tests.factories import NOW, make_snapshot

pytestmark = pytest.mark.anyio

ANNA = Person(email="anna@creditor.example", name="Anna", slack_id="U1")
ROUTES = (Route("disputes", slack=("C1",)),)
RULE = Automation(
    "sure",
    "validate",
    Match(kind=("ai_dispute",)),
    min_confidence=90,
    note="AI confidence {ai_confidence} %",
    dry_run=False,
    at_most=3,
    undo_for=timedelta(minutes=30),
)
DRY = Automation("trial", "reject", note="no")


def dispute(n: int = 1, **changes: Any) -> Snapshot:
    return make_snapshot(**{"key": f"getbill:main:ai_detection:{n}", "kind": "ai_dispute", "confidence": 95, **changes})


class Clock:
    now = NOW

    def __call__(self) -> datetime:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def desk(database: Database, clock: Clock) -> Desk:
    people = People(frozenset({"@creditor.example"}), frozenset({"ops@creditor.example"}))
    made = Desk(database, ROUTES, people, Tokens(["a key of sixteen characters"]), PlainTeller(), Metrics(), "")
    made.now, made.automations = clock, (RULE,)
    made.notifiers = {"mail": object()}  # type: ignore[dict-item]  # nothing is sent here
    return made


async def hear(desk: Desk, *said: Snapshot) -> list[str]:
    """What the rules did when the source said that."""
    facts = [SourceSaid(one, desk.now()) for one in said]
    _, pressed = await desk.database.write(apply_considered, facts, desk, desk.now())
    return [one.word for one in pressed]


async def item(desk: Desk, n: int = 1) -> Item:
    found = await desk.database.read(items.by_key, dispute(n).key)
    assert found is not None
    return found


async def acted(desk: Desk) -> list[tuple[str, str, str]]:
    """State, verb and through what, of every action."""
    columns = action.c.state, action.c.verb, action.c.via
    return await desk.database.read(lambda c: [tuple(row) for row in c.execute(select(*columns).order_by(action.c.id))])


async def leaving(desk: Desk, what: str) -> list[str]:
    def look(connection: Connection) -> list[str]:
        chosen = select(outbox_table.c.payload).where(outbox_table.c.what == what)
        return list(connection.execute(chosen).scalars())

    return await desk.database.read(look)


async def apply(desk: Desk, fact: Fact) -> None:
    await desk.database.write(apply_fact, fact, desk.now(), ROUTES)


async def press(desk: Desk, verb: str, **more: Any) -> object:
    now = await item(desk)
    click = Click(now.id, now.version, verb, ANNA, "slack", f"{verb} {now.version}", **more)
    return await desk.database.write(take_action, click, desk.now(), ROUTES, desk.people)


async def validated(desk: Desk) -> None:
    """A rule asked and the source did it."""
    await hear(desk, dispute())
    asked = (await item(desk)).attempt
    assert asked is not None
    await apply(desk, SourceAccepted(dispute().key, asked.action_id))
    await hear(desk, dispute(is_open=False, outcome="validated", verbs=("reopen",)))


async def test_a_rule_asks_the_source_in_the_transaction_that_opened_the_item(desk: Desk) -> None:
    assert await hear(desk, dispute()) == ["taken"]

    asked = await item(desk)
    assert asked.attempt is not None
    recorded = await desk.database.read(actions.find, asked.attempt.action_id)
    assert recorded is not None
    assert (asked.state, asked.attempt.who, asked.attempt.via) == ("acting", "automation:sure", "automation")
    assert (recorded.person, recorded.note) == (Person(name="automation:sure"), "AI confidence 95 %")
    assert [len(await leaving(desk, what)) for what in ("carry_out", "show")] == [1, 1]


async def test_what_is_said_again_is_not_considered_again(desk: Desk) -> None:
    await hear(desk, dispute(), dispute())

    assert await hear(desk, dispute(), dispute(title="Another")) == []
    assert len(await leaving(desk, "carry_out")) == 1


async def test_what_becomes_sure_enough_is_considered_when_its_source_changes_it(desk: Desk) -> None:
    assert await hear(desk, dispute(confidence=80)) == []
    assert await hear(desk, dispute(confidence=None)) == []
    assert await hear(desk, dispute(confidence=91)) == ["taken"]


async def test_what_was_open_before_there_was_a_rule_is_left_alone(desk: Desk) -> None:
    desk.automations = ()
    await hear(desk, dispute())
    desk.automations = (RULE,)

    assert await hear(desk, dispute()) == []
    assert (await item(desk)).state == "open"


async def test_what_a_source_said_a_while_ago_is_left_to_people(desk: Desk) -> None:
    facts = [SourceSaid(dispute(), NOW - timedelta(minutes=6))]
    _, pressed = await desk.database.write(apply_considered, facts, desk, NOW)

    assert (pressed, (await item(desk)).state) == ([], "open")


async def test_what_only_an_event_says_is_decided_when_a_look_confirms_it_and_only_then(desk: Desk) -> None:
    desk.automations = (DRY, RULE)
    event = SourceSaid(dispute(), NOW, is_believed=True)
    _, told = await desk.database.write(apply_considered, [event], desk, NOW)

    assert (told, (await item(desk)).state) == ([], "open")
    assert await hear(desk, dispute()) == ["dry_run", "taken"]
    assert await hear(desk, dispute()) == []


async def test_a_dry_run_speaks_once_of_what_an_event_says_again(desk: Desk) -> None:
    desk.automations = (DRY, replace(DRY, name="another"))
    first = await hear(desk, dispute())
    event = SourceSaid(dispute(), NOW, is_believed=True)
    await desk.database.write(apply_considered, [event], desk, NOW)

    assert (first, await hear(desk, dispute())) == (["dry_run"] * 2, [])
    assert await hear(desk, dispute(title="Another")) == ["dry_run"] * 2


async def test_nothing_is_pressed_that_the_source_does_not_offer(desk: Desk) -> None:
    assert await hear(desk, dispute(verbs=("reply",))) == []


async def test_no_rule_decides_what_takes_two_people(desk: Desk) -> None:
    desk.people = People(desk.people.resolvers, four_eyes_above={"EUR": 500.0})
    assert await hear(desk, dispute(1, amount=Money(Decimal("500.01"), "EUR")), dispute(2, amount=None)) == []
    assert await hear(
        desk, dispute(3, amount=Money(Decimal("0.01"), "SEK")), dispute(4, amount=Money(Decimal(500), "EUR"))
    ) == ["taken"]


async def test_the_first_rule_that_takes_it_acts_and_no_other(desk: Desk) -> None:
    desk.automations = (RULE, Automation("second", "reject", note="no", dry_run=False))

    assert await hear(desk, dispute()) == ["taken"]
    assert [verb for _, verb, _ in await acted(desk)] == ["validate"]


async def test_what_somebody_has_claimed_is_left_to_them(desk: Desk) -> None:
    await hear(desk, dispute(confidence=10))
    await press(desk, "claim")
    await press(desk, "release")

    assert await hear(desk, dispute()) == []


async def test_the_undo_is_there_for_as_long_as_configured_and_then_goes_by_itself(desk: Desk, clock: Clock) -> None:
    await validated(desk)
    done = await item(desk)
    clock.now = NOW + timedelta(minutes=29)
    early = await remind_due(desk)
    clock.now = NOW + timedelta(minutes=30)

    assert (done.resolved_by, done.undo_until) == ("automation:sure", clock.now)
    assert (early, await remind_due(desk), await remind_due(desk)) == (0, 1, 0)
    after = await item(desk)
    assert (after.undo_until, after.version) == (None, done.version + 1)
    assert await press(desk, "undo") == Refused("undo_over", {})


async def test_what_a_person_took_back_is_never_decided_by_a_rule_again(desk: Desk) -> None:
    await validated(desk)
    await press(desk, "undo")
    asked = (await item(desk)).attempt
    assert asked is not None
    await apply(desk, SourceDid(dispute().key, asked.action_id))

    assert await hear(desk, dispute()) == []
    assert await hear(desk, dispute(confidence=99)) == []
    assert ((await item(desk)).state, len(await leaving(desk, "carry_out"))) == ("open", 2)


async def test_what_the_source_opened_again_is_left_to_people(desk: Desk) -> None:
    await validated(desk)

    assert await hear(desk, dispute()) == []
    assert await hear(desk, dispute(confidence=99)) == []
    assert (await item(desk)).state == "open"


async def test_what_was_opened_again_without_any_rule_is_left_to_people_too(desk: Desk) -> None:
    await hear(desk, dispute(confidence=10))
    await hear(desk, dispute(is_open=False, outcome="rejected", verbs=("reopen",)))

    assert await hear(desk, dispute(confidence=10)) == []
    assert await hear(desk, dispute()) == []


async def test_what_the_source_refused_a_rule_waits_for_people_with_the_reason(desk: Desk) -> None:
    await hear(desk, dispute())
    asked = (await item(desk)).attempt
    assert asked is not None
    await apply(desk, SourceRefused(dispute().key, asked.action_id, "locked"))

    assert await hear(desk, dispute(confidence=99)) == []
    assert (await item(desk)).problem == "locked"
    assert await acted(desk) == [("failed", "validate", "automation")]


async def test_a_dry_run_says_what_it_would_do_and_asks_nobody(desk: Desk) -> None:
    desk.automations = (DRY,)
    assert await hear(desk, dispute(), dispute()) == ["dry_run"]

    found = await item(desk)
    lines = await desk.database.read(items.timeline, found.id)
    assert (found.state, found.foreseen and found.foreseen.rule) == ("open", "trial")
    assert (lines[-1].who, lines[-1].detail) == ("automation:trial", "dry run, would reject: no")
    assert await acted(desk) == [("dry_run", "reject", "automation")]
    assert await leaving(desk, "carry_out") == []


async def test_a_dry_run_keeps_no_other_rule_from_acting(desk: Desk) -> None:
    desk.automations = (DRY, RULE)

    assert await hear(desk, dispute()) == ["dry_run", "taken"]


async def test_a_rule_that_would_do_more_than_its_share_stops_and_the_admins_hear_of_it_once(desk: Desk) -> None:
    words = await hear(desk, *(dispute(n) for n in range(6)))

    states = [(await item(desk, n)).state for n in range(6)]
    told = await leaving(desk, "warn")
    assert words == ["taken"] * 3 + ["stopped"] * 3
    assert states == ["acting"] * 3 + ["open"] * 3
    assert ["automation_stopped" in payload for payload in told] == [True]
    assert await watch(desk, NOW) == 0  # it stands


async def test_a_stopped_rule_begins_again_after_an_hour_and_takes_up_nothing_of_before(
    desk: Desk, clock: Clock
) -> None:
    await hear(desk, *(dispute(n) for n in range(4)))
    clock.now = NOW + timedelta(minutes=59)
    during = await hear(desk, dispute(5))
    clock.now = NOW + timedelta(minutes=61)
    await watch(desk, NOW)

    assert during == ["stopped"]
    assert await hear(desk, dispute(3), dispute(6)) == ["taken"]
    assert [
        code in payload
        for code, payload in zip(("automation_stopped", "automation_over"), await leaving(desk, "warn"), strict=True)
    ] == [True, True]


async def test_a_rule_that_is_gone_ends_its_alarm_without_a_word(desk: Desk, clock: Clock) -> None:
    await hear(desk, *(dispute(n) for n in range(4)))
    desk.automations, clock.now = (), NOW + timedelta(hours=1)

    await watch(desk, NOW)

    assert await desk.database.read(alerts.standing) == {}
    assert len(await leaving(desk, "warn")) == 1


async def test_readers_side_by_side_never_act_twice_nor_beyond_the_share(desk: Desk) -> None:
    """As two replicas hear of the same items in the same moment."""
    readers = (hear(desk, *(dispute(n) for n in range(6))) for _ in range(4))
    words = [word for some in await asyncio.gather(*readers) for word in some]

    assert sorted(words) == ["stopped"] * 3 + ["taken"] * 3
    assert len(await leaving(desk, "carry_out")) == 3


async def test_two_replicas_that_hear_of_different_items_keep_one_share_between_them(
    desk: Desk, postgres_url: str
) -> None:
    desk.automations = (replace(RULE, at_most=1),)
    has_acted, is_over = threading.Event(), threading.Event()

    def first(connection: Connection) -> list[Pressed]:
        """Acts, and keeps its transaction open until the other one waits or is through."""
        _, pressed = apply_considered(connection, [SourceSaid(dispute(1), NOW)], desk, NOW)
        has_acted.set()
        waiting = text("SELECT count(*) FROM pg_locks WHERE NOT granted AND locktype = 'advisory'")
        while not is_over.wait(0.01) and not connection.execute(waiting).scalar():
            pass
        return pressed

    async def second(database: Database) -> list[Pressed]:
        await asyncio.to_thread(has_acted.wait)
        _, pressed = await database.write(apply_considered, [SourceSaid(dispute(2), NOW)], desk, NOW)
        is_over.set()
        return list(pressed)

    replicas = open_database(postgres_url), open_database(postgres_url)
    one, other = await asyncio.gather(replicas[0].write(first), second(replicas[1]))
    for database in replicas:
        await database.close()

    assert [pressed.word for pressed in (*one, *other)] == ["taken", "stopped"]


async def test_what_fails_halfway_leaves_neither_item_nor_action(desk: Desk) -> None:
    def cut_off(connection: Connection) -> list[Pressed]:
        _, pressed = apply_considered(connection, [SourceSaid(dispute(), NOW)], desk, NOW)
        assert [one.word for one in pressed] == ["taken"]
        raise LookupError

    with pytest.raises(LookupError):
        await desk.database.write(cut_off)
    before = await acted(desk)

    assert (before, await hear(desk, dispute())) == ([], ["taken"])


async def test_a_rule_that_breaks_costs_nobody_an_alert(desk: Desk) -> None:
    desk.automations = (replace(RULE, note="{what no setting allows}"),)

    await apply_in_chunks(desk, [SourceSaid(dispute(n), NOW) for n in range(3)])

    assert [(await item(desk, n)).state for n in range(3)] == ["open"] * 3
    assert (len(await leaving(desk, "show")), await acted(desk)) == (3, [])


async def test_what_rules_do_is_counted(desk: Desk) -> None:
    await apply_in_chunks(desk, [SourceSaid(dispute(n), NOW) for n in range(4)])

    def count(word: str) -> float | None:
        labels = {"verb": "validate", "outcome": word, "via": "automation"}
        return desk.metrics.registry.get_sample_value("casebell_actions_total", labels)

    assert (count("taken"), count("stopped")) == (3.0, 1.0)


async def test_without_rules_a_source_is_heard_as_ever(desk: Desk) -> None:
    desk.automations = ()
    await hear(desk, dispute())
    other = dispute(2)
    await desk.database.write(apply_facts, [SourceSaid(other, NOW)], NOW, ROUTES)

    lines = await desk.database.read(lambda c: [tuple(r) for r in c.execute(select(history.c.fact, history.c.who))])
    assert lines == [("SourceSaid", None)] * 2
