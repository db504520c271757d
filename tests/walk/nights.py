"""Quiet hours, and what a person does in an office."""

from datetime import datetime
from typing import Any

from receiver.domain.fact import PersonActed
from receiver.domain.item import Item
from receiver.domain.people import Person
from receiver.pipeline.apply import apply_fact
from tests.office import Office

ANNA = Person(email="anna@creditor.example", name="Anna", slack_id="U0ANNA")


QUIET = 'quiet_hours = { from = "19:00", to = "08:00", weekends = true, except = ["blocking"] }\n'


NIGHT = datetime.fromisoformat("2026-03-06T23:00+01:00")  # a Friday


async def did(here: Office, item: Item, verb: str, person: Person = ANNA, **more: Any) -> Item:
    fact = PersonActed(item.key, verb, person, "slack", **more)
    await here.adapters.database.write(apply_fact, fact, here.at, here.adapters.rules.routes)
    await here.settle()
    return await here.item(item.key)
