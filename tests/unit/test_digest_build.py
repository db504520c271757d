"""What a digest counts, and what stands where in it."""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from receiver.domain.digest import Digest, DigestRule, PartName
from receiver.domain.digest_build import MAX_ENTRIES, build_digest
from receiver.domain.item import Detail, Installment, Item, Line
from receiver.domain.money import Money
from receiver.domain.routing import Match
from receiver.domain.schedule import Schedule
from tests.factories import NOW, make_item, make_snapshot

SINCE = NOW - timedelta(days=1)
RULE = DigestRule("daily", Schedule("30 8 * * 1-5", "Europe/Paris"), to=("cfo@creditor.example",))


def item(n: int = 0, *, opened: timedelta = timedelta(days=3), state: str = "open", **said: Any) -> Item:
    opened_at = NOW - opened
    snapshot = make_snapshot(**{"key": f"getbill:main:x:{n}", "debt_id": f"d{n}", "created_at": opened_at, **said})
    return make_item(snapshot, id=f"item{n:08}", opened_at=opened_at, state=state)


def resolved(n: int, ago: timedelta, **more: Any) -> Item:
    done = {"resolved_at": NOW - ago, "outcome": "validated", "resolved_by": "Anna", "resolved_via": "slack"}
    return replace(item(n, state="resolved"), **{**done, **more})


def told(*items: Item, rule: DigestRule = RULE, **more: Any) -> Digest:
    return build_digest(rule, items, SINCE, NOW, **more)


def keys(digest: Digest, part: PartName) -> list[str]:
    return [entry.item.id[-1] for entry in digest.part(part).entries]


def test_decisions_that_stop_collection_come_first_then_deadlines_then_reviews() -> None:
    digest = told(
        item(1, urgency="review", kind="ai_dispute"),
        item(2, urgency="review", deadline_at=NOW + timedelta(days=2)),
        item(3),
        resolved(4, timedelta(hours=2)),
    )

    assert [part.name for part in digest.parts] == ["blocking", "deadline", "review", "resolved"]
    assert (digest.totals.to_decide, digest.part("blocking").count) == (3, 1)


def test_what_is_overdue_or_due_soon_stands_before_what_is_only_old() -> None:
    digest = told(
        item(1, opened=timedelta(days=20)),
        item(2, opened=timedelta(days=2), deadline_at=NOW + timedelta(days=5)),
        item(3, opened=timedelta(days=1), deadline_at=NOW - timedelta(hours=1)),
    )

    assert keys(digest, "blocking") == ["3", "2", "1"]


def test_a_deadline_far_away_is_no_deadline_yet() -> None:
    digest = told(item(1, urgency="review", deadline_at=NOW + timedelta(days=30)))

    assert (digest.part("deadline").count, digest.part("review").count) == (0, 1)


def test_new_is_what_opened_or_opened_again_since_the_last_one() -> None:
    digest = told(
        item(1, opened=timedelta(hours=2)),
        item(2),
        item(3, opened=timedelta(days=9)),
        reopened={"item00000003"},
    )

    marks = {entry.item.id[-1]: entry.is_new for entry in digest.part("blocking").entries}
    assert marks == {"1": True, "2": False, "3": True}
    assert digest.new == 2


def test_resolved_is_what_ended_since_the_last_one_the_newest_first() -> None:
    digest = told(resolved(1, timedelta(hours=20)), resolved(2, timedelta(hours=1)), resolved(3, timedelta(days=2)))

    assert keys(digest, "resolved") == ["2", "1"]


def test_a_debt_that_several_items_speak_of_is_at_risk_once() -> None:
    digest = told(
        item(1, debt_id="same", amount=Money(Decimal(100), "EUR"), opened=timedelta(days=9)),
        item(2, debt_id="same", amount=Money(Decimal(100), "EUR")),
        item(3, amount=Money(Decimal(500), "DKK")),
        item(4, amount=Money(Decimal("0.07"), None)),
        item(5, amount=None),
    )

    assert {one.total: one.claims for one in digest.totals.at_risk} == {
        Money(Decimal(100), "EUR"): 1,
        Money(Decimal(500), "DKK"): 1,
    }
    assert digest.totals.unknown == 2
    euros = next(one for one in digest.totals.at_risk if one.total.currency == "EUR")
    assert [bucket.claims for bucket in euros.buckets] == [0, 0, 1, 0, 0]


@pytest.mark.parametrize(
    ("days", "bucket"), [(0, 0), (1, 0), (2, 1), (7, 1), (8, 2), (14, 2), (15, 3), (30, 3), (31, 4)]
)
def test_each_age_has_its_bucket(days: int, bucket: int) -> None:
    digest = told(item(1, opened=timedelta(days=days, minutes=1)))

    assert [b.claims for b in digest.totals.at_risk[0].buckets].index(1) == bucket


def test_what_is_snoozed_is_counted_and_nothing_else_is_said_of_it() -> None:
    sleeps = replace(item(1, opened=timedelta(hours=2)), snoozed_until=NOW + timedelta(minutes=1))
    wakes = replace(item(2), snoozed_until=NOW)

    digest = told(sleeps, wakes)

    assert (digest.totals.snoozed, digest.totals.waiting, digest.new) == (1, 1, 0)
    assert keys(digest, "blocking") == ["2"]


def test_what_is_only_told_is_not_at_risk() -> None:
    digest = told(item(1, kind="agreement", urgency="info", opened=timedelta(hours=1)))

    assert digest.totals.at_risk == ()
    assert digest.totals.oldest_at is None
    assert digest.part("information").count == 1


def test_an_old_agreement_is_told_again_only_when_an_installment_is_overdue() -> None:
    today = NOW.date()
    late = Installment(Money(Decimal(1), "EUR"), today - timedelta(days=1), None, "pending")
    paid = Installment(Money(Decimal(1), "EUR"), today - timedelta(days=9), NOW, None)
    agreement: dict[str, Any] = {"kind": "agreement", "urgency": "info"}

    digest = told(item(1, **agreement, installments=(late,)), item(2, **agreement, installments=(paid,)))

    assert keys(digest, "installments") == ["1"]
    assert digest.part("information").count == 0


@pytest.mark.parametrize(
    ("details", "outcome", "is_told"),
    [
        ((Detail("check_in_due", flag=True),), "validated", True),
        ((Detail("check_in_date", day=date(2026, 3, 6)),), "validated", True),
        ((Detail("check_in_date", day=date(2026, 2, 20)),), "validated", True),
        ((Detail("check_in_date", day=date(2026, 6, 6)),), "validated", False),
        ((Detail("check_in_date", day=date(2025, 6, 6)),), "validated", False),
        ((Detail("check_in_due", flag=True),), "rejected", False),
        ((), "validated", False),
    ],
)
def test_an_accepted_hardship_comes_back_for_its_check_in(
    details: tuple[Detail, ...], outcome: str, is_told: bool
) -> None:
    hardship = item(1, kind="hardship", details=details)
    held = replace(hardship, state="resolved", resolved_at=NOW - timedelta(days=90), outcome=outcome)

    assert bool(told(held).part("check_ins").count) == is_told


def test_the_flow_counts_each_day_of_the_month_in_the_digests_own_time() -> None:
    late = datetime(2026, 3, 1, 23, 30, tzinfo=UTC)  # 00:30 on the second in Paris
    digest = told(replace(item(1, created_at=late), opened_at=late), resolved(2, timedelta(days=3)))

    days = {day.day: (day.opened, day.resolved) for day in digest.flow}
    assert len(digest.flow) == 30
    assert days[date(2026, 3, 2)] == (1, 0)
    assert days[date(2026, 2, 27)] == (1, 1)


def test_only_what_the_rule_matches_is_counted() -> None:
    rule = replace(RULE, match=Match(kind=("hardship",)))

    digest = told(item(1), item(2, kind="hardship"), rule=rule)

    assert keys(digest, "blocking") == ["2"]


def test_of_ten_thousand_items_a_few_are_kept_and_all_are_counted() -> None:
    digest = told(*(item(n, opened=timedelta(days=n % 50, hours=1)) for n in range(2_000)))

    part = digest.part("blocking")
    assert (part.count, len(part.entries)) == (2_000, MAX_ENTRIES)
    assert all(entry.item.opened_at == NOW - timedelta(days=49, hours=1) for entry in part.entries)
    assert digest.totals.at_risk[0].claims == 2_000


def test_a_line_carries_no_conversation_and_no_strangers_novel() -> None:
    long = item(1, quote="x" * 99_999, title="y" * 99_999, conversation=(Line("partner", None, "z" * 99_999, None),))

    said = told(long).part("blocking").entries[0].item.snapshot

    assert (said.quote, said.conversation) == (None, ())
    assert len(said.title or "") <= 300


def test_nothing_open_and_nothing_changed_is_empty() -> None:
    assert told().is_empty
    assert told(item(1, kind="agreement", urgency="info")).is_empty
    assert not told(resolved(1, timedelta(hours=1))).is_empty


def test_the_next_digest_is_named() -> None:
    assert told().next_at == datetime(2026, 3, 3, 7, 30, tzinfo=UTC)
