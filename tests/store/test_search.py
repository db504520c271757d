"""The search for a reference, as ``/casebell find`` uses it."""

import pytest

from receiver.domain.fact import SourceReported
from receiver.pipeline.apply import apply_facts
from receiver.store import items
from receiver.store.database import Database
from tests.factories import NOW, make_snapshot

pytestmark = pytest.mark.anyio
REFERENCES = ("ÅRHUS-10", "ÅRHUS-1", "übung-1", "50%_x", "INV-1")


@pytest.mark.parametrize(
    ("typed", "found"),
    [
        ("ÅRHUS-1", ["ÅRHUS-1", "ÅRHUS-10"]),
        ("århus-1", ["ÅRHUS-1", "ÅRHUS-10"]),
        ("Århus-10", ["ÅRHUS-10"]),
        ("ÜBUNG", ["übung-1"]),
        ("inv-1", ["INV-1"]),
        ("50%_", ["50%_x"]),
        ("50_", []),
        ("%", []),
    ],
)
async def test_a_reference_is_found_in_any_case_and_alphabet(database: Database, typed: str, found: list[str]) -> None:
    told = [make_snapshot(key=f"getbill:main:ai_detection:{n}", reference=one) for n, one in enumerate(REFERENCES)]
    await database.write(apply_facts, [SourceReported(one, NOW) for one in told], NOW, ())

    assert [one.snapshot.reference for one in await database.read(items.search, typed, 10)] == found
