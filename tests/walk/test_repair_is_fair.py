"""Repair goes round: one dead channel that holds very many messages keeps no other from being redrawn."""

from datetime import timedelta

import pytest
from sqlalchemy import Connection, select, update

from receiver.domain.fact import SourceReported
from receiver.domain.routing import Route
from receiver.jobs.repair import repair
from receiver.pipeline.apply import apply_facts
from receiver.store import items, messages
from receiver.store.database import Database
from receiver.store.messages import PostedMessage
from receiver.store.schema import outbox as rows
from tests.adapters.slack_wire import slack
from tests.factories import NOW, make_snapshot
from tests.walk.delivering import adapters_of

pytestmark = pytest.mark.anyio
ROUTES = (Route("dead", slack=("C1",)),)


async def test_two_hundred_messages_in_a_dead_channel_do_not_keep_the_others_from_repair(database: Database) -> None:
    keys = [f"getbill:main:debtor_request:{n}" for n in range(201)]
    await database.write(apply_facts, [SourceReported(make_snapshot(key=k), NOW) for k in keys[:-1]], NOW, ROUTES)
    later = NOW + timedelta(minutes=1)  # what changed first is looked at first
    await database.write(apply_facts, [SourceReported(make_snapshot(key=keys[-1]), later)], later, ROUTES)

    def stand(connection: Connection) -> None:
        """The first 200 stand in an archived channel and the last in a live one, all behind; nothing waits."""
        known = items.find_by_keys(connection, keys)
        for k in keys:
            place = "slack:C2" if k == keys[-1] else "slack:C1"
            messages.save(connection, known[k].id, PostedMessage(place, f"{place[6:]}/{k}", "dead", 0, "open"), NOW)
            if k == keys[-1]:
                connection.execute(update(rows).where(rows.c.item_id == known[k].id).values(destination=place))
        connection.execute(
            update(rows).values(state="dead", done_at=NOW + timedelta(hours=12), reason="is_archived: x")
        )
        connection.execute(
            update(rows).where(rows.c.destination == "slack:C2").values(done_at=NOW + timedelta(minutes=1))
        )

    await database.write(stand)
    async with slack() as wire, adapters_of(database, wire) as adapters:
        adapters.now = lambda: NOW + timedelta(hours=13)
        await repair(adapters)

    def due(connection: Connection) -> list[str]:
        return list(connection.execute(select(rows.c.destination).where(rows.c.state == "due")).scalars())

    assert await database.read(due) == ["slack:C2"]
