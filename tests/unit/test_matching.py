"""Two systems side by side: conflicts open and close after a complete sync with both, in any order."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import Connection, create_engine, select

from receiver.domain import conflict
from receiver.domain.fact import SourceReported
from receiver.domain.item import Detail, Item
from receiver.domain.routing import Route
from receiver.domain.twin import Receivable
from receiver.pipeline.apply import apply_fact
from receiver.ports import ReceivableBatch
from receiver.store import items, outbox
from receiver.store.schema import history, metadata
from receiver.store.schema import item as item_table
from receiver.sync import matching
from tests.factories import NOW, make_snapshot
from tests.receivables import case, debt

ROUTES = (Route("all", slack=("C1",)),)
GETBILL, DEBITURA = ("getbill", "main"), ("debitura", "main")


@dataclass
class Ledger:
    """A store in memory, and a clock that moves a minute with everything that is heard."""

    connection: Connection
    at: datetime = NOW
    told: list[str] = field(default_factory=list)

    def says(self, *said: Receivable) -> None:
        self.at += timedelta(minutes=1)
        matching._save(self.connection, said, self.at, self.at, ROUTES)

    def hears(self, account: tuple[str, str], book: ReceivableBatch | None = None) -> None:
        """A complete pass over the account; ``book``: what it brought."""
        self.at += timedelta(minutes=1)
        changed = matching._forget(self.connection, account, book or ReceivableBatch(self.at), self.at, ROUTES)
        changed += matching._record_sync(self.connection, account, self.at)
        matching._compare(self.connection, sorted(set(changed)), self.at, ROUTES)

    def opens(self, **changes: object) -> Item:
        said = make_snapshot(**changes)
        apply_fact(self.connection, SourceReported(said, self.at), self.at, ROUTES)
        return self.item(said.key)

    def item(self, key: str) -> Item:
        found = items.find_by_key(self.connection, key)
        assert found is not None
        return found

    def conflicts(self) -> dict[str, str]:
        rows = self.connection.execute(
            select(item_table.c.key, item_table.c.state).where(item_table.c.kind == "conflict")
        )
        return {row.key: row.state for row in rows}

    def transitions(self) -> list[str]:
        joined = history.join(item_table, item_table.c.id == history.c.item_id)
        chosen = select(history.c.transition).select_from(joined).where(item_table.c.kind == "conflict")
        return [word for word in self.connection.execute(chosen.order_by(history.c.id)).scalars() if word]


@pytest.fixture
def ledger() -> Iterator[Ledger]:
    with fresh() as connection:
        yield Ledger(connection)


def fresh() -> Connection:
    engine = create_engine("sqlite://")
    metadata.create_all(engine)
    return engine.connect()


def test_a_conflict_waits_until_both_were_heard_out_since_either_said_something_new(ledger: Ledger) -> None:
    ledger.says(debt(), case())
    ledger.hears(GETBILL)
    after_one = ledger.conflicts()
    ledger.hears(DEBITURA)

    assert after_one == {}
    assert list(ledger.conflicts().values()) == ["open"]


def test_a_difference_that_lasts_no_longer_than_a_pass_is_no_conflict(ledger: Ledger) -> None:
    ledger.says(debt(standing=("owed",)), case())
    for account in (GETBILL, DEBITURA):
        ledger.hears(account)
    ledger.says(debt(standing=("paid",)))
    ledger.hears(GETBILL)
    ledger.says(case(standing=("paid",), stage="Closed"))
    for account in (DEBITURA, GETBILL, DEBITURA):
        ledger.hears(account)

    assert ledger.conflicts() == {}


def test_it_opens_once_changes_with_its_sides_and_closes_when_they_agree(ledger: Ledger) -> None:
    ledger.says(debt(), case())
    for _ in range(3):
        ledger.hears(GETBILL)
        ledger.hears(DEBITURA)
    opened = ledger.transitions()
    ledger.says(case(partner="Other Partner"))
    ledger.hears(DEBITURA)
    early = ledger.transitions()
    ledger.hears(GETBILL)
    ledger.says(debt(standing=("owed",)))
    ledger.hears(GETBILL)
    ledger.hears(DEBITURA)

    assert (opened, early) == (["opened"], ["opened"])
    assert ledger.transitions() == ["opened", "changed", "resolved"]


def test_a_side_that_is_gone_ends_the_conflict(ledger: Ledger) -> None:
    ledger.says(debt(), case())
    ledger.hears(GETBILL)
    ledger.hears(DEBITURA)

    ledger.hears(DEBITURA, ReceivableBatch(ledger.at, listed=frozenset()))
    once = ledger.conflicts()
    ledger.hears(DEBITURA, ReceivableBatch(ledger.at, listed=frozenset()))

    assert list(once.values()) == ["open"]
    assert list(ledger.conflicts().values()) == ["resolved"]


def test_twins_that_may_not_be_twins_are_no_conflict(ledger: Ledger) -> None:
    ledger.says(debt(amounts=(), debtor=None), case())
    ledger.hears(GETBILL)
    ledger.hears(DEBITURA)

    assert ledger.conflicts() == {}


def test_an_item_names_its_twin_from_the_first_and_is_redrawn_only_when_that_changes(ledger: Ledger) -> None:
    ledger.says(case())
    opened = ledger.opens()
    ledger.says(case())
    unchanged = ledger.item(opened.key)
    ledger.says(case(stage="Paused", standing=("owed",)))
    changed = ledger.item(opened.key)

    assert opened.twin is not None
    assert (opened.twin.name, opened.twin.is_sure, opened.version) == ("Q8OAXF3W", True, 1)
    assert unchanged == opened
    assert (changed.version, changed.twin and changed.twin.stage) == (2, "Paused")


def test_a_case_that_is_found_later_is_shown_then(ledger: Ledger) -> None:
    opened = ledger.opens()
    ledger.says(case(amounts=(), debtor=None))

    later = ledger.item(opened.key)

    assert opened.twin is None
    assert (later.twin and later.twin.is_sure, later.version) == (False, 2)


def test_a_plan_over_several_debts_shows_the_twin_of_any_of_them(ledger: Ledger) -> None:
    key = "getbill:main:agreement:g1"
    parts = [debt(key=key, side=f"d{n}", reference=f"INV-{n}") for n in (1, 2)]
    ledger.says(*parts)
    ledger.opens(key=key, kind="agreement", reference="INV-1", details=(Detail("debt_count", number=2),))

    ledger.says(case(reference="INV-2"))

    assert ledger.item(key).twin is not None


def test_a_plan_over_several_debts_loses_a_twin_that_is_not_there_any_more(ledger: Ledger) -> None:
    key, found = "getbill:main:agreement:g1", case(reference="INV-2")
    ledger.says(*(debt(key=key, side=f"d{n}", reference=f"INV-{n}") for n in (1, 2)))
    ledger.opens(key=key, kind="agreement", reference="INV-1", details=(Detail("debt_count", number=2),))
    ledger.says(found)
    shown = ledger.item(key).twin

    ledger.hears(DEBITURA, ReceivableBatch(ledger.at, gone=frozenset({found.key})))

    assert shown is not None
    assert ledger.item(key).twin is None


def test_what_names_no_page_links_to_what_its_source_has_open(ledger: Ledger) -> None:
    link = "https://app.debitura.com/Task?id=1"
    ledger.opens(key="debitura:main:task:1", source="debitura", kind="ReplyToChat", case_id="a", solution_url=link)
    ledger.says(case(), debt(url="https://app.getbill.example/1"))
    ledger.hears(GETBILL)
    ledger.hears(DEBITURA)

    (key,) = ledger.conflicts()
    task = ledger.item("debitura:main:task:1")

    assert [side.url for side in ledger.item(key).snapshot.sides] == ["https://app.getbill.example/1", link]
    assert task.twin is not None
    assert task.twin.url == "https://app.getbill.example/1"


def test_what_is_resolved_stays_as_it_was_told(ledger: Ledger) -> None:
    ledger.says(case())
    opened = ledger.opens()
    ledger.opens(is_open=False, outcome="validated")
    resolved = ledger.item(opened.key)
    ledger.says(case(stage="Closed", standing=("paid",)))

    assert ledger.item(opened.key) == resolved


STANDINGS = {
    "getbill": [("owed",), ("disputed", "owed"), ("paid",), ("owed", "planned")],
    "debitura": [("owed", "pursued"), ("owed",), ("paid",), ("disputed", "owed", "pursued")],
}
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("getbill"), st.sampled_from(STANDINGS["getbill"])),
        st.tuples(st.just("debitura"), st.sampled_from(STANDINGS["debitura"])),
        st.tuples(st.sampled_from(["pass getbill", "pass debitura"]), st.just(())),
    ),
    max_size=25,
)


@given(STEPS)
def test_after_the_last_pass_there_is_a_conflict_where_the_two_disagree_and_each_turn_was_told_once(
    steps: Sequence[tuple[str, tuple[str, ...]]],
) -> None:
    with fresh() as connection:
        ledger = Ledger(connection)
        now = {"getbill": debt(standing=("owed",)), "debitura": case()}
        ledger.says(*now.values())
        for what, standing in steps:
            before = ledger.conflicts()
            if what in now:
                now[what] = replace(now[what], standing=standing)
                ledger.says(now[what])
                assert ledger.conflicts() == before  # nothing is concluded from what one of them says
            else:
                ledger.hears(GETBILL if what == "pass getbill" else DEBITURA)
        ledger.hears(GETBILL)
        ledger.hears(DEBITURA)

        is_conflict = conflict.find_contradiction(now["getbill"], now["debitura"]) is not None
        assert list(ledger.conflicts().values()) in ([["open"]] if is_conflict else [[], ["resolved"]])
        turns = [word for word in ledger.transitions() if word != "changed"]
        assert all(one != other for one, other in pairwise(turns))
        assert turns[:1] in ([], ["opened"])
        assert outbox.counts(connection).get("due", 0) <= 1  # one message, drawn as it stands


def test_the_same_books_again_write_nothing(ledger: Ledger) -> None:
    ledger.says(debt(), case())
    ledger.hears(GETBILL)
    ledger.hears(DEBITURA)
    lines = ledger.connection.execute(select(history.c.id)).all()

    for _ in range(3):
        ledger.says(debt(), case())
        ledger.hears(GETBILL)
        ledger.hears(DEBITURA)

    assert ledger.connection.execute(select(history.c.id)).all() == lines
