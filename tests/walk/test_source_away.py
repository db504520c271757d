"""While Getbill cannot be asked, an event that carries its whole todo rings at once; the next look sets it right."""

import json
from collections.abc import AsyncIterator, Callable
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import Connection, select

from casebell_sandbox.getbill import GetbillStand
from receiver.context import Adapters, events_wakeup
from receiver.domain.fact import Fact
from receiver.domain.item import Item
from receiver.domain.routing import Route
from receiver.observability import Metrics
from receiver.pipeline import ingest
from receiver.pipeline.ingest import accept, drain
from receiver.store import items
from receiver.store.database import Database
from receiver.store.events import Arrival
from receiver.store.schema import outbox
from receiver.upstream.getbill.client import Getbill
from tests.act_site import PlainTranslator
from tests.factories import make_rules
from tests.getbill_side import Watch, client_of, key

pytestmark = pytest.mark.anyio
WAKEUP = events_wakeup("getbill", "main")


class Office:
    """One Getbill account and a desk whose loop has just found that Getbill does not answer."""

    def __init__(self, database: Database) -> None:
        self.clock = Watch()
        self.stand = GetbillStand(clock=self.clock)
        self.getbill: Getbill = client_of(self.stand.app, self.clock)
        self.adapters = Adapters(
            database,
            make_rules(routes=(Route("all", slack=("C1",)),)),
            PlainTranslator(),
            Metrics(),
            upstreams={("getbill", "main"): self.getbill},
            now=self.clock,
        )
        self.count = 0

    async def arrives(self, body: bytes) -> None:
        self.count += 1
        await accept(self.adapters, Arrival("getbill", "main", f"e{self.count}", {}, body, self.clock()))

    async def is_found_away(self) -> None:
        self.stand.faults.down = True
        await self.arrives(json.dumps({"type": "dispute.created", "data": {}}).encode())
        await self.works()

    async def comes_back(self) -> None:
        self.stand.faults.down = False
        self.clock.move(minutes=2)
        await self.works()
        await self.works()

    async def works(self) -> None:
        await drain(self.adapters, "getbill", "main")

    async def item(self, todo: dict[str, Any]) -> Item | None:
        return await self.adapters.database.read(items.find_by_key, key(todo))

    async def told(self) -> int:
        def count(connection: Connection) -> int:
            return len(connection.execute(select(outbox.c.id).where(outbox.c.what == "show")).all())

        return await self.adapters.database.read(count)


@pytest.fixture
async def office(database: Database, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Office]:
    monkeypatch.setattr(ingest, "PAUSED_LOOK_S", 0.0)
    made = Office(database)
    await made.is_found_away()
    assert WAKEUP in made.adapters.sync.paused
    yield made
    await made.getbill.close()


async def test_an_event_with_its_whole_todo_rings_before_getbill_answers_again(office: Office) -> None:
    todo = office.stand.add("portal_dispute", reference="INV-1")
    await office.arrives(office.stand.event(todo))
    await office.works()
    at_once, rang = await office.item(todo), await office.told()

    await office.comes_back()
    later = await office.item(todo)

    assert at_once is not None
    assert (at_once.state, at_once.snapshot.reference, at_once.snapshot.debtor, rang) == ("open", "INV-1", None, 1)
    assert later is not None
    assert (later.id, later.state, later.snapshot.debtor is None) == (at_once.id, "open", False)
    assert await office.told() == 1


async def test_a_decision_that_an_event_carries_is_shown_before_getbill_answers_again(office: Office) -> None:
    todo = office.stand.add("ai_dispute")
    await office.arrives(office.stand.event(todo))
    await office.works()
    office.clock.move(seconds=5)
    office.stand.set_status(todo["id"], "rejected")
    await office.arrives(office.stand.event(todo, type="dispute.updated"))
    await office.works()  # asks in vain
    await office.works()

    item = await office.item(todo)

    assert item is not None
    assert (item.state, item.outcome) == ("resolved", "rejected")


async def test_the_next_look_is_believed_more_than_any_event(office: Office) -> None:
    """Also where Getbill's clock is ahead of ours."""
    todo = office.stand.add("ai_dispute")
    body = json.loads(office.stand.event(todo))
    body["data"]["todo"]["updated_at"] = (office.clock() + timedelta(minutes=10)).isoformat()
    await office.arrives(json.dumps(body).encode())
    await office.works()
    opened = await office.item(todo)
    office.stand.set_status(todo["id"], "validated")

    await office.comes_back()
    resolved = await office.item(todo)

    assert (opened and opened.state, resolved and resolved.state) == ("open", "resolved")


def older(todo: dict[str, Any]) -> None:
    todo["updated_at"] = "2026-01-01T00:00:00+00:00"


def of_no_kind(todo: dict[str, Any]) -> None:
    todo["sub_type"] = None


def undated(todo: dict[str, Any]) -> None:
    todo["updated_at"] = todo["created_at"] = None


def without_its_debt(todo: dict[str, Any]) -> None:
    todo["debt"] = None


def without_status(todo: dict[str, Any]) -> None:
    todo["status"] = None


@pytest.mark.parametrize("spoil", [older, of_no_kind, undated, without_its_debt, without_status])
async def test_what_may_be_out_of_date_or_is_not_whole_waits_for_the_look(
    office: Office, spoil: Callable[[dict[str, Any]], None]
) -> None:
    todo = office.stand.add("portal_dispute")
    body = json.loads(office.stand.event(todo))
    spoil(body["data"]["todo"])
    await office.arrives(json.dumps(body).encode())
    await office.works()
    before = await office.item(todo)

    await office.comes_back()

    assert before is None
    assert await office.item(todo) is not None


async def test_each_event_is_believed_once_however_long_getbill_is_away(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    todo = office.stand.add("portal_dispute")
    await office.arrives(office.stand.event(todo))
    read: list[bytes] = []
    facts_from_event = office.getbill.facts_from_event

    def counted(body: bytes) -> list[Fact]:
        read.append(body)
        return facts_from_event(body)

    monkeypatch.setattr(office.getbill, "facts_from_event", counted)
    for _ in range(3):
        await office.works()

    assert len(read) == 2  # the one that found Getbill away, and this one


async def test_rubbish_that_was_signed_is_no_reason_to_stop(office: Office) -> None:
    for body in (b"[]", b"{", b'{"data": 3}', b'{"data": {"todo": {"id": [], "type": {}}}}', b'"\\ud800"'):
        await office.arrives(body)
    todo = office.stand.add("portal_dispute")
    await office.arrives(office.stand.event(todo))

    await office.works()

    assert await office.item(todo) is not None
