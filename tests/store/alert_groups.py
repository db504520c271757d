"""Alerts that arrive at the same time."""

from datetime import datetime, timedelta

from receiver.domain.fact import SourceReported
from receiver.domain.pace import Pace, Paces
from receiver.domain.routing import Route
from receiver.pipeline.apply import apply_fact
from receiver.store import claim_policy
from receiver.store.database import Database
from tests.factories import NOW, make_snapshot

ROUTES = (Route("disputes", slack=("C1",)),)


FAST = Pace(1_000.0, 1_000)


PACES = Paces(slack=FAST, bursts={"slack:C1": Pace(3 / 60, 3)})  # three a minute


ROOM = claim_policy.Capacity(interactive=64, normal=48)


def at(seconds: float) -> datetime:
    return NOW + timedelta(seconds=seconds)


def key(n: object) -> str:
    return f"getbill:main:debtor_request:{n}"


async def come(database: Database, *numbers: object, seconds: float = 0) -> None:
    for n in numbers:
        await database.write(apply_fact, SourceReported(make_snapshot(key=key(n)), NOW), at(seconds), ROUTES)
