"""Alerts that come to an office at once, and are decided."""

from decimal import Decimal

from receiver.domain.fact import SourceGone, SourceReported
from receiver.domain.money import Money
from receiver.pipeline.apply import apply_fact, apply_facts
from receiver.pipeline.deliver.claims import Dispatcher
from receiver.pipeline.deliver.grouped import update_bursts
from tests.factories import NOW, make_snapshot
from tests.office import Office

BURST = """
[[routes]]
name     = "disputes"
slack    = ["C0DISPUTES"]
timezone = "Europe/Paris"
burst    = {{ over = {over}, within = "1m" }}
"""


def key(n: int) -> str:
    return f"getbill:main:debtor_request:{n}"


def said(n: int) -> SourceReported:
    amount = Money(Decimal(10_000 + n) / 100, "EUR" if n % 3 else "DKK")
    return SourceReported(make_snapshot(key=key(n), reference=f"INV-{n}", amount=amount), NOW)


async def come(here: Office, *numbers: int) -> None:
    await here.adapters.database.write(apply_facts, [said(n) for n in numbers], here.at, here.adapters.rules.routes)


async def turn(here: Office, rounds: int = 40) -> None:
    """What the loops do until there is nothing to do at this moment."""
    dispatcher = Dispatcher(here.adapters)
    for _ in range(rounds):
        await update_bursts(here.adapters)
        started = await dispatcher.dispatch_due()
        await dispatcher.drain(30)
        if not started:
            return


async def decided(here: Office, *numbers: int) -> None:
    for n in numbers:
        fact = SourceGone(key(n), here.at, outcome="validated")
        await here.adapters.database.write(apply_fact, fact, here.at, here.adapters.rules.routes)
