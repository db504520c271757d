"""How long one digest takes, and how much memory: ``python -m tests.bench.digest DATABASE`` in a process of its own."""

import asyncio
import json
import resource
import sys
import time
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from pathlib import Path

from sqlalchemy import Connection

from notifiers.email.digest import render_digest
from notifiers.i18n.translator import Translator
from receiver.domain.item import Item, Line, Medium
from receiver.domain.money import Money
from receiver.operations.digests import build_from_store
from receiver.samples.digest import RULE, sample_edition
from receiver.store import items
from receiver.store.database import open_database
from receiver.store.sqlite import SqliteDatabase
from tests.factories import NOW, make_item, make_snapshot

OPEN, RESOLVED = 10_000, 10_000
KINDS = (("portal_dispute", "blocking"), ("ai_dispute", "review"), ("hardship", "blocking"), ("agreement", "info"))
IN_ONE_COMMIT = 1_000


async def fill(path: Path) -> None:
    """A database with ``OPEN`` open items, each with proofs and a conversation, and as many resolved this month."""
    database = open_database(f"sqlite:///{path}")
    for start in range(0, OPEN + RESOLVED, IN_ONE_COMMIT):
        await database.write(_save, [_item(n) for n in range(start, start + IN_ONE_COMMIT)])
    await database.close()


def _save(connection: Connection, made: list[Item]) -> None:
    for item in made:
        items.save(connection, item)


def _item(n: int) -> Item:
    kind, urgency = KINDS[n % len(KINDS)]
    opened_at = NOW - timedelta(hours=1 + n % 900)
    said = make_snapshot(
        key=f"getbill:main:x:{n}",
        kind=kind,
        urgency=urgency,
        debt_id=f"d{n}",
        created_at=opened_at,
        amount=Money(Decimal(100 + n) / 100, ("EUR", "DKK", "SEK")[n % 3]),
        deadline_at=NOW + timedelta(hours=n % 400),
        media=(Medium("proof", "receipt.pdf"), Medium("recording", "recording")),
        conversation=(Line("partner", "Lars Holm", "Could you send the signed delivery note? " * 5, opened_at),) * 3,
    )
    item = make_item(said, id=f"item{n:08}", opened_at=opened_at)
    if n < OPEN:
        return item
    return replace(item, state="resolved", resolved_at=NOW - timedelta(hours=n % 700), outcome="validated")


async def measure(path: Path) -> dict[str, float]:
    """Seconds from the question to the mail, and the most memory this whole process ever had."""
    database = SqliteDatabase(path)
    started = time.perf_counter()
    told = await database.read(build_from_store, RULE, NOW - timedelta(days=1), NOW, ())
    built = time.perf_counter() - started
    mail = render_digest(
        sample_edition(told), Translator().say, "Casebell <c@creditor.example>", "cfo@creditor.example", "c.example"
    )
    took = time.perf_counter() - started
    await database.close()
    peak_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return {
        "built_s": built,
        "took_s": took,
        "peak_mb": peak_mb,
        "bytes": len(bytes(mail)),
        "open": told.totals.to_decide,
    }


if __name__ == "__main__":
    print(json.dumps(asyncio.run(measure(Path(sys.argv[1])))))
