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
from receiver.context import Adapters
from receiver.domain.action import Click
from receiver.domain.automation import Automation
from receiver.domain.fact import Fact, SourceAccepted, SourceCompleted, SourceRefused, SourceReported
from receiver.domain.item import Item, Snapshot
from receiver.domain.money import Money
from receiver.domain.people import People, Person
from receiver.domain.routing import Match, Route
from receiver.jobs.reminders import remind_due
from receiver.observability import Metrics
from receiver.pipeline.actions import Refused, take_action
from receiver.pipeline.apply import apply_fact, apply_facts
from receiver.pipeline.automations import RuleOutcome, apply_with_automations
from receiver.pipeline.ingest import apply_in_chunks
from receiver.store import actions, alerts, items
from receiver.store.database import Database, open_database
from receiver.store.schema import action, history
from receiver.store.schema import outbox as outbox_table
from tests.act_site import PlainTranslator
from tests.factories import NOW, make_rules, make_snapshot

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
def adapters(database: Database, clock: Clock) -> Adapters:
    people = People(frozenset({"@creditor.example"}), frozenset({"ops@creditor.example"}))
    rules = make_rules(people=people, routes=ROUTES, automations=(RULE,), channels=frozenset({"mail"}))
    return Adapters(database, rules, PlainTranslator(), Metrics(), now=clock)


async def hear(adapters: Adapters, *said: Snapshot) -> list[str]:
    """What the rules did when the source said that."""
    facts = [SourceReported(one, adapters.now()) for one in said]
    _, pressed = await adapters.database.write(apply_with_automations, facts, adapters.rules, adapters.now())
    return [one.result for one in pressed]


async def item(adapters: Adapters, n: int = 1) -> Item:
    (found,) = (await adapters.database.read(items.find_by_keys, [dispute(n).key])).values()
    return found


async def acted(adapters: Adapters) -> list[tuple[str, str, str]]:
    """State, verb and through what, of every action."""
    chosen = select(action.c.state, action.c.verb, action.c.via).order_by(action.c.id)
    return await adapters.database.read(lambda c: [tuple(row) for row in c.execute(chosen)])


async def leaving(adapters: Adapters, what: str) -> list[str]:
    chosen = select(outbox_table.c.payload).where(outbox_table.c.what == what)
    return await adapters.database.read(lambda c: list(c.execute(chosen).scalars()))


async def apply(adapters: Adapters, fact: Fact) -> None:
    await adapters.database.write(apply_fact, fact, adapters.now(), ROUTES)


async def press(adapters: Adapters, verb: str, **more: Any) -> object:
    now = await item(adapters)
    click = Click(now.id, now.version, verb, ANNA, "slack", f"{verb} {now.version}", **more)
    return await adapters.database.write(take_action, click, adapters.now(), ROUTES, adapters.rules.people)


async def validated(adapters: Adapters) -> None:
    """A rule asked and the source did it."""
    await hear(adapters, dispute())
    asked = (await item(adapters)).attempt
    assert asked is not None
    await apply(adapters, SourceAccepted(dispute().key, asked.action_id))
    await hear(adapters, dispute(is_open=False, outcome="validated", verbs=("reopen",)))


async def test_a_rule_asks_the_source_in_the_transaction_that_opened_the_item(adapters: Adapters) -> None:
    assert await hear(adapters, dispute()) == ["taken"]

    asked = await item(adapters)
    assert asked.attempt is not None
    recorded = await adapters.database.read(actions.find, asked.attempt.action_id)
    assert recorded is not None
    assert (asked.state, asked.attempt.who, asked.attempt.via) == ("acting", "automation:sure", "automation")
    assert (recorded.person, recorded.note) == (Person(name="automation:sure"), "AI confidence 95 %")
    assert [len(await leaving(adapters, what)) for what in ("command", "show")] == [1, 1]


async def test_what_is_said_again_is_not_considered_again(adapters: Adapters) -> None:
    await hear(adapters, dispute(), dispute())

    assert await hear(adapters, dispute(), dispute(title="Another")) == []
    assert len(await leaving(adapters, "command")) == 1


async def test_what_becomes_sure_enough_is_considered_when_its_source_changes_it(adapters: Adapters) -> None:
    assert await hear(adapters, dispute(confidence=80)) == []
    assert await hear(adapters, dispute(confidence=None)) == []
    assert await hear(adapters, dispute(confidence=91)) == ["taken"]


async def test_what_was_open_before_there_was_a_rule_is_left_alone(adapters: Adapters) -> None:
    adapters.rules = replace(adapters.rules, automations=())
    await hear(adapters, dispute())
    adapters.rules = replace(adapters.rules, automations=(RULE,))

    assert await hear(adapters, dispute()) == []
    assert (await item(adapters)).state == "open"


async def test_what_a_source_said_a_while_ago_is_left_to_people(adapters: Adapters) -> None:
    facts = [SourceReported(dispute(), NOW - timedelta(minutes=6))]
    _, pressed = await adapters.database.write(apply_with_automations, facts, adapters.rules, NOW)

    assert (pressed, (await item(adapters)).state) == ([], "open")


async def test_what_only_an_event_says_is_decided_when_a_look_confirms_it_and_only_then(adapters: Adapters) -> None:
    adapters.rules = replace(adapters.rules, automations=(DRY, RULE))
    event = SourceReported(dispute(), NOW, is_unconfirmed=True)
    _, told = await adapters.database.write(apply_with_automations, [event], adapters.rules, NOW)

    assert (told, (await item(adapters)).state) == ([], "open")
    assert await hear(adapters, dispute()) == ["dry_run", "taken"]
    assert await hear(adapters, dispute()) == []


async def test_a_dry_run_speaks_once_of_what_an_event_says_again(adapters: Adapters) -> None:
    adapters.rules = replace(adapters.rules, automations=(DRY, replace(DRY, name="another")))
    first = await hear(adapters, dispute())
    event = SourceReported(dispute(), NOW, is_unconfirmed=True)
    await adapters.database.write(apply_with_automations, [event], adapters.rules, NOW)

    assert (first, await hear(adapters, dispute())) == (["dry_run"] * 2, [])
    assert await hear(adapters, dispute(title="Another")) == ["dry_run"] * 2


async def test_nothing_is_pressed_that_the_source_does_not_offer(adapters: Adapters) -> None:
    assert await hear(adapters, dispute(verbs=("reply",))) == []


async def test_no_rule_decides_what_takes_two_people(adapters: Adapters) -> None:
    people = replace(adapters.rules.people, four_eyes_above={"EUR": 500.0})
    adapters.rules = replace(adapters.rules, people=people)
    assert await hear(adapters, dispute(1, amount=Money(Decimal("500.01"), "EUR")), dispute(2, amount=None)) == []
    others = dispute(3, amount=Money(Decimal("0.01"), "SEK")), dispute(4, amount=Money(Decimal(500), "EUR"))
    assert await hear(adapters, *others) == ["taken"]


async def test_the_first_rule_that_takes_it_acts_and_no_other(adapters: Adapters) -> None:
    second = Automation("second", "reject", note="no", dry_run=False)
    adapters.rules = replace(adapters.rules, automations=(RULE, second))

    assert await hear(adapters, dispute()) == ["taken"]
    assert [verb for _, verb, _ in await acted(adapters)] == ["validate"]


async def test_what_somebody_has_claimed_is_left_to_them(adapters: Adapters) -> None:
    await hear(adapters, dispute(confidence=10))
    await press(adapters, "claim")
    await press(adapters, "release")

    assert await hear(adapters, dispute()) == []


async def test_the_undo_is_there_for_as_long_as_configured_and_then_goes_by_itself(
    adapters: Adapters, clock: Clock
) -> None:
    await validated(adapters)
    done = await item(adapters)
    clock.now = NOW + timedelta(minutes=29)
    early = await remind_due(adapters)
    clock.now = NOW + timedelta(minutes=30)

    assert (done.resolved_by, done.undo_until) == ("automation:sure", clock.now)
    assert (early, await remind_due(adapters), await remind_due(adapters)) == (0, 1, 0)
    after = await item(adapters)
    assert (after.undo_until, after.version) == (None, done.version + 1)
    assert await press(adapters, "undo") == Refused("undo_over", {})


async def test_what_a_person_took_back_is_never_decided_by_a_rule_again(adapters: Adapters) -> None:
    await validated(adapters)
    await press(adapters, "undo")
    asked = (await item(adapters)).attempt
    assert asked is not None
    await apply(adapters, SourceCompleted(dispute().key, asked.action_id))

    assert await hear(adapters, dispute()) == []
    assert await hear(adapters, dispute(confidence=99)) == []
    assert ((await item(adapters)).state, len(await leaving(adapters, "command"))) == ("open", 2)


async def test_what_the_source_opened_again_is_left_to_people(adapters: Adapters) -> None:
    await validated(adapters)

    assert await hear(adapters, dispute()) == []
    assert await hear(adapters, dispute(confidence=99)) == []
    assert (await item(adapters)).state == "open"


async def test_what_was_opened_again_without_any_rule_is_left_to_people_too(adapters: Adapters) -> None:
    await hear(adapters, dispute(confidence=10))
    await hear(adapters, dispute(is_open=False, outcome="rejected", verbs=("reopen",)))

    assert await hear(adapters, dispute(confidence=10)) == []
    assert await hear(adapters, dispute()) == []


async def test_what_the_source_refused_a_rule_waits_for_people_with_the_reason(adapters: Adapters) -> None:
    await hear(adapters, dispute())
    asked = (await item(adapters)).attempt
    assert asked is not None
    await apply(adapters, SourceRefused(dispute().key, asked.action_id, "locked"))

    assert await hear(adapters, dispute(confidence=99)) == []
    assert (await item(adapters)).problem == "locked"
    assert await acted(adapters) == [("failed", "validate", "automation")]


async def test_a_dry_run_says_what_it_would_do_and_asks_nobody(adapters: Adapters) -> None:
    adapters.rules = replace(adapters.rules, automations=(DRY,))
    assert await hear(adapters, dispute(), dispute()) == ["dry_run"]

    found = await item(adapters)
    lines = await adapters.database.read(items.list_timeline, found.id)
    assert (found.state, found.foreseen and found.foreseen.rule) == ("open", "trial")
    assert (lines[-1].who, lines[-1].detail) == ("automation:trial", "dry run, would reject: no")
    assert await acted(adapters) == [("dry_run", "reject", "automation")]
    assert await leaving(adapters, "command") == []


async def test_a_dry_run_keeps_no_other_rule_from_acting(adapters: Adapters) -> None:
    adapters.rules = replace(adapters.rules, automations=(DRY, RULE))

    assert await hear(adapters, dispute()) == ["dry_run", "taken"]


async def test_a_rule_that_would_do_more_than_its_share_stops_and_the_admins_hear_of_it_once(
    adapters: Adapters,
) -> None:
    words = await hear(adapters, *(dispute(n) for n in range(6)))

    states = [(await item(adapters, n)).state for n in range(6)]
    told = await leaving(adapters, "admin_alert")
    assert words == ["taken"] * 3 + ["stopped"] * 3
    assert states == ["acting"] * 3 + ["open"] * 3
    assert ["automation_stopped" in payload for payload in told] == [True]
    assert await watch(adapters, NOW) == 0  # it stands


async def test_a_stopped_rule_begins_again_after_an_hour_and_takes_up_nothing_of_before(
    adapters: Adapters, clock: Clock
) -> None:
    await hear(adapters, *(dispute(n) for n in range(4)))
    clock.now = NOW + timedelta(minutes=59)
    during = await hear(adapters, dispute(5))
    clock.now = NOW + timedelta(minutes=61)
    await watch(adapters, NOW)

    assert during == ["stopped"]
    assert await hear(adapters, dispute(3), dispute(6)) == ["taken"]
    assert [
        code in payload
        for code, payload in zip(
            ("automation_stopped", "automation_over"), await leaving(adapters, "admin_alert"), strict=True
        )
    ] == [True, True]


async def test_a_rule_that_is_gone_ends_its_alarm_without_a_word(adapters: Adapters, clock: Clock) -> None:
    await hear(adapters, *(dispute(n) for n in range(4)))
    adapters.rules = replace(adapters.rules, automations=())
    clock.now = NOW + timedelta(hours=1)

    await watch(adapters, NOW)

    assert await adapters.database.read(alerts.list_active) == {}
    assert len(await leaving(adapters, "admin_alert")) == 1


async def test_readers_side_by_side_never_act_twice_nor_beyond_the_share(adapters: Adapters) -> None:
    """As two replicas hear of the same items in the same moment."""
    readers = (hear(adapters, *(dispute(n) for n in range(6))) for _ in range(4))
    words = [word for some in await asyncio.gather(*readers) for word in some]

    assert sorted(words) == ["stopped"] * 3 + ["taken"] * 3
    assert len(await leaving(adapters, "command")) == 3


async def test_two_replicas_that_hear_of_different_items_keep_one_share_between_them(
    adapters: Adapters, postgres_url: str
) -> None:
    adapters.rules = replace(adapters.rules, automations=(replace(RULE, at_most=1),))
    has_acted, is_over = threading.Event(), threading.Event()

    def first(connection: Connection) -> list[RuleOutcome]:
        """Acts, and keeps its transaction open until the other one waits or is through."""
        _, pressed = apply_with_automations(connection, [SourceReported(dispute(1), NOW)], adapters.rules, NOW)
        has_acted.set()
        waiting = text("SELECT count(*) FROM pg_locks WHERE NOT granted AND locktype = 'advisory'")
        while not is_over.wait(0.01) and not connection.execute(waiting).scalar():
            pass
        return pressed

    async def second(database: Database) -> list[RuleOutcome]:
        await asyncio.to_thread(has_acted.wait)
        facts = [SourceReported(dispute(2), NOW)]
        _, outcomes = await database.write(apply_with_automations, facts, adapters.rules, NOW)
        is_over.set()
        return list(outcomes)

    replicas = open_database(postgres_url), open_database(postgres_url)
    one, other = await asyncio.gather(replicas[0].write(first), second(replicas[1]))
    for database in replicas:
        await database.close()

    assert [pressed.result for pressed in (*one, *other)] == ["taken", "stopped"]


async def test_what_fails_halfway_leaves_neither_item_nor_action(adapters: Adapters) -> None:
    def cut_off(connection: Connection) -> list[RuleOutcome]:
        _, pressed = apply_with_automations(connection, [SourceReported(dispute(), NOW)], adapters.rules, NOW)
        assert [one.result for one in pressed] == ["taken"]
        raise LookupError

    with pytest.raises(LookupError):
        await adapters.database.write(cut_off)
    before = await acted(adapters)

    assert (before, await hear(adapters, dispute())) == ([], ["taken"])


async def test_a_rule_that_breaks_costs_nobody_an_alert(adapters: Adapters) -> None:
    adapters.rules = replace(adapters.rules, automations=(replace(RULE, note="{what no setting allows}"),))

    await apply_in_chunks(adapters, [SourceReported(dispute(n), NOW) for n in range(3)])

    assert [(await item(adapters, n)).state for n in range(3)] == ["open"] * 3
    assert (len(await leaving(adapters, "show")), await acted(adapters)) == (3, [])


async def test_what_rules_do_is_counted(adapters: Adapters) -> None:
    await apply_in_chunks(adapters, [SourceReported(dispute(n), NOW) for n in range(4)])

    def count(word: str) -> float | None:
        labels = {"verb": "validate", "outcome": word, "via": "automation"}
        return adapters.metrics.registry.get_sample_value("casebell_actions_total", labels)

    assert (count("taken"), count("stopped")) == (3.0, 1.0)


async def test_without_rules_a_source_is_heard_as_ever(adapters: Adapters) -> None:
    adapters.rules = replace(adapters.rules, automations=())
    await hear(adapters, dispute())
    other = dispute(2)
    await adapters.database.write(apply_facts, [SourceReported(other, NOW)], NOW, ROUTES)

    lines = await adapters.database.read(lambda c: [tuple(r) for r in c.execute(select(history.c.fact, history.c.who))])
    assert lines == [("SourceReported", None)] * 2
