"""What is known of each account, in either database: its last sync, its failures, its watermark."""

from datetime import timedelta

import pytest

from receiver.store import accounts
from receiver.store.accounts import Watermark
from receiver.store.database import Database
from tests.factories import NOW

pytestmark = pytest.mark.anyio

MAIN = ("getbill", "main")
LATER = NOW + timedelta(minutes=5)


async def test_failures_keep_the_time_of_the_first_and_end_with_a_sync(database: Database) -> None:
    await database.write(accounts.record_failure, *MAIN, "timeout: one", NOW)
    await database.write(accounts.record_failure, *MAIN, "timeout: two", LATER)
    failed = await database.read(accounts.failures)
    await database.write(accounts.record_sync, *MAIN, LATER)

    assert failed == {MAIN: ("timeout: two", NOW)}
    assert await database.read(accounts.failures) == {}
    assert await database.read(accounts.last_syncs) == {MAIN: LATER}


async def test_a_watermark_never_goes_back_except_from_the_future(database: Database) -> None:
    seen = []
    for as_of, missing in ((LATER, ["a"]), (NOW, []), (LATER + timedelta(days=1), []), (LATER, ["b"])):
        await database.write(accounts.advance_watermark, *MAIN, as_of, missing, LATER)
        seen.append((await database.read(accounts.watermarks))[MAIN])

    assert seen[:2] == [Watermark(LATER, frozenset("a"))] * 2
    assert [one.as_of for one in seen[2:]] == [LATER + timedelta(days=1), LATER]


async def test_too_many_missing_keys_erase_the_watermark_and_nothing_else(database: Database) -> None:
    await database.write(accounts.record_sync, *MAIN, NOW)
    await database.write(accounts.advance_watermark, *MAIN, NOW, [], NOW)
    missing = [str(n) for n in range(accounts.MAX_MISSING + 1)]
    await database.write(accounts.advance_watermark, *MAIN, LATER, missing, LATER)

    assert await database.read(accounts.watermarks) == {}
    assert await database.read(accounts.last_syncs) == {MAIN: NOW}


async def test_each_account_keeps_its_last_sync_of_receivables(database: Database) -> None:
    for at in (NOW, LATER):
        await database.write(accounts.record_receivables_sync, *MAIN, at)

    assert await database.read(accounts.receivables_syncs) == {MAIN: LATER}
    assert await database.read(accounts.last_syncs) == {}
