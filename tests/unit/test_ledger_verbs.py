"""The item's state machine: undo, reopen, payment plans, two-person decisions, snooze, assignment and time."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from receiver.domain.fact import (
    Fact,
    PersonActed,
    PersonConfirmed,
    PersonProposed,
    PersonRequested,
    SourceAccepted,
    SourceCompleted,
    SourceGone,
    SourceRefused,
    SourceReported,
    TimePassed,
)
from receiver.domain.item import Attempt, Item, Snapshot
from receiver.domain.ledger import Applied, Ignored, decide
from receiver.domain.notice import announcement_of, is_worth_new_mail, verbs_for
from receiver.domain.people import Person
from tests.factories import NOW, make_item, make_snapshot

ANNA = Person(email="anna@creditor.example", name="Anna")
BEN = Person(email="ben@creditor.example", name="Ben")
KEY = make_snapshot().key
LATER = NOW + timedelta(minutes=1)
EVENING = NOW + timedelta(hours=9)


def closed(**changes: Any) -> Snapshot:
    return make_snapshot(is_open=False, outcome="validated", verbs=("reopen",), **changes)


def after(item: Item | None, *facts: Fact) -> Item:
    for fact in facts:
        decision = decide(item, fact, LATER, "newid")
        assert isinstance(decision, Applied), decision
        item = decision.item
    assert item is not None
    return item


def validated(at: int = 1) -> Item:
    """Anna has validated it here, and the source shows it."""
    asked = PersonRequested(KEY, at, "validate", ANNA, "slack")
    return after(make_item(), asked, SourceReported(closed(), LATER))


def proposed() -> Item:
    return after(make_item(), PersonProposed(KEY, 1, "validate", ANNA, "slack", "paid in March"))


# Undo and reopen


def test_a_decision_made_here_can_be_undone_for_ten_minutes() -> None:
    item = validated()
    over = LATER + timedelta(minutes=10)

    assert item.undo_until == over
    assert verbs_for(item, over - timedelta(seconds=1)) == ("undo", "reopen")
    assert verbs_for(item, over) == ("reopen",)


def test_what_somebody_decided_at_the_source_is_not_ours_to_undo() -> None:
    item = after(make_item(), SourceReported(closed(), LATER))

    assert (item.undo_until, verbs_for(item)) == (None, ("reopen",))


def test_what_the_source_cannot_reopen_cannot_be_undone() -> None:
    asked = PersonRequested(KEY, 1, "reply", ANNA, "slack")
    item = after(make_item(), asked, SourceGone(KEY, LATER, outcome="solved"))

    assert (item.resolved_by, verbs_for(item)) == ("Anna", ())


def test_an_undo_opens_it_again_when_the_source_has_done_it() -> None:
    asked = after(validated(), PersonRequested(KEY, 2, "undo", BEN, "slack"))
    opened = decide(after(asked, SourceReported(make_snapshot(), LATER)), SourceCompleted(KEY, 2), LATER, "x")

    assert (asked.state, verbs_for(asked)) == ("acting", ())
    assert isinstance(opened, Applied)
    assert (opened.transition, opened.item.state, opened.item.resolved_by) == ("reopened", "open", None)
    assert (opened.item.since, opened.item.undo_until, opened.item.attempt) == (LATER, None, None)


def test_a_sweep_that_began_before_an_undo_does_not_end_it() -> None:
    asked = after(validated(), PersonRequested(KEY, 2, "undo", BEN, "slack"))

    assert after(asked, SourceReported(closed(), LATER)).state == "acting"


def test_an_undo_that_the_source_took_shows_when_the_source_does() -> None:
    asked = after(validated(), PersonRequested(KEY, 2, "reopen", BEN, "slack"), SourceAccepted(KEY, 2))
    opened = decide(asked, SourceReported(make_snapshot(), LATER), LATER, "x")

    assert isinstance(opened, Applied)
    assert (opened.transition, opened.item.state) == ("reopened", "open")


def test_an_undo_without_effect_in_half_an_hour_is_told() -> None:
    asked = after(validated(), PersonRequested(KEY, 2, "undo", BEN, "slack"), SourceAccepted(KEY, 2))
    item = after(asked, SourceReported(closed(), LATER + timedelta(minutes=31)))

    assert (item.state, item.problem, item.outcome) == ("resolved", "still_closed", "validated")


def test_an_undo_that_the_source_refuses_leaves_it_resolved_with_the_reason() -> None:
    item = after(validated(), PersonRequested(KEY, 2, "undo", BEN, "slack"), SourceRefused(KEY, 2, "too late"))

    assert (item.state, item.outcome, item.resolved_by, item.problem) == ("resolved", "validated", "Anna", "too late")


# Payment plans


def test_another_plan_leaves_the_agreement_open() -> None:
    agreement = make_item(make_snapshot(kind="agreement", verbs=("update_plan",)))
    changed = make_snapshot(kind="agreement", verbs=("update_plan",), title="12 months")
    asked = after(agreement, PersonRequested(KEY, 1, "update_plan", ANNA, "cli"))

    done = after(asked, SourceReported(changed, LATER), SourceCompleted(KEY, 1))
    seen_later = after(asked, SourceAccepted(KEY, 1), SourceReported(changed, LATER))

    assert (done.state, done.attempt, done.problem, done.snapshot.title) == ("open", None, None, "12 months")
    assert (seen_later.state, seen_later.attempt) == ("open", None)


# Two-person decisions


def test_a_proposal_asks_nobody_and_is_confirmed_or_withdrawn() -> None:
    item = proposed()

    assert (item.state, item.attempt) == ("open", None)
    assert verbs_for(item) == ("confirm", "withdraw", "claim", "assign", "snooze", "note")
    assert is_worth_new_mail("open", item)
    assert not is_worth_new_mail(announcement_of(item), item)


def test_a_confirmed_proposal_is_credited_to_both() -> None:
    acting = after(proposed(), PersonConfirmed(KEY, 1, BEN, "mail"))
    done = after(acting, SourceReported(closed(), LATER))

    assert acting.proposal is None
    assert acting.attempt == Attempt(1, "validate", "Anna", "slack", LATER, confirmed_by="Ben")
    assert (done.resolved_by, done.resolved_via, done.confirmed_by) == ("Anna", "slack", "Ben")


def test_a_change_at_the_source_voids_a_proposal_and_says_so() -> None:
    item = after(proposed(), SourceReported(make_snapshot(title="Wrong amount"), LATER))

    assert (item.proposal, item.problem) == (None, "proposal_void")
    assert verbs_for(item)[:2] == ("validate", "reject")
    assert after(proposed(), SourceReported(make_snapshot(), LATER)).proposal is not None


def test_a_proposal_ends_with_the_item() -> None:
    item = after(proposed(), SourceReported(closed(), LATER))

    assert (item.proposal, item.resolved_by, item.undo_until) == (None, None, None)


def test_only_the_proposal_that_stands_is_confirmed() -> None:
    assert decide(proposed(), PersonConfirmed(KEY, 2, BEN, "mail"), LATER, "x") == Ignored("other_proposal")
    assert decide(make_item(), PersonConfirmed(KEY, 1, BEN, "mail"), LATER, "x") == Ignored("other_proposal")


def test_a_note_does_not_disturb_a_proposal_and_withdrawing_ends_it() -> None:
    noted = after(proposed(), PersonActed(KEY, "note", BEN, "slack", "looks right"))

    assert noted.proposal is not None
    assert after(noted, PersonActed(KEY, "withdraw", BEN, "slack")).proposal is None


# Snooze, escalation and assignment


def test_a_snooze_ends_by_the_clock_by_hand_or_with_the_item() -> None:
    until = LATER + timedelta(hours=1)
    item = after(make_item(), PersonActed(KEY, "snooze", ANNA, "slack", until=until))

    assert (item.snoozed_until, item.snoozed_by) == (until, "Anna")
    assert "wake" in verbs_for(item)
    assert decide(item, TimePassed(KEY, "woken"), LATER, "x") == Ignored("not_due")
    for woken in (
        after(replace(item, snoozed_until=LATER), TimePassed(KEY, "woken")),
        after(item, PersonActed(KEY, "wake", BEN, "slack")),
    ):
        assert (woken.snoozed_until, woken.since) == (None, LATER)
    assert after(item, SourceReported(closed(), LATER)).snoozed_until is None


def test_a_colleague_who_was_given_it_has_claimed_it() -> None:
    item = after(make_item(), PersonActed(KEY, "assign", ANNA, "slack", to=BEN))

    assert (item.claimed_by, item.claimer) == ("Ben", BEN)
    assert after(item, PersonActed(KEY, "release", BEN, "slack")).claimer is None


def test_it_is_escalated_once() -> None:
    item = after(make_item(), TimePassed(KEY, "escalated"))

    assert item.escalated_at == LATER
    assert decide(item, TimePassed(KEY, "escalated"), LATER, "x") == Ignored("not_due")


OWN = ["claim", "release", "note", "assign", "snooze", "wake", "withdraw"]
FACTS = st.one_of(
    st.builds(
        lambda is_open, at, title: SourceReported(
            make_snapshot(title=title) if is_open else closed(title=title), NOW + timedelta(minutes=at)
        ),
        st.booleans(),
        st.integers(0, 40),
        st.sampled_from(["a", "b"]),
    ),
    st.builds(lambda at, sure: SourceGone(KEY, NOW + timedelta(minutes=at), sure), st.integers(0, 9), st.booleans()),
    st.builds(
        lambda verb, n: PersonRequested(KEY, n, verb, ANNA, "slack"),
        st.sampled_from(["validate", "reject", "reply", "reopen", "undo", "update_plan"]),
        st.integers(1, 3),
    ),
    st.builds(lambda n: PersonProposed(KEY, n, "validate", ANNA, "slack"), st.integers(1, 3)),
    st.builds(lambda n: PersonConfirmed(KEY, n, BEN, "slack"), st.integers(1, 3)),
    st.builds(lambda verb: PersonActed(KEY, verb, ANNA, "mail", "n", BEN, LATER), st.sampled_from(OWN)),
    st.builds(TimePassed, st.just(KEY), st.sampled_from(["woken", "escalated"])),
    st.builds(SourceAccepted, st.just(KEY), st.integers(1, 3)),
    st.builds(SourceCompleted, st.just(KEY), st.integers(1, 3)),
    st.builds(SourceRefused, st.just(KEY), st.integers(1, 3), st.just("no")),
)


@given(st.lists(FACTS, max_size=40))
def test_after_any_sequence_of_facts_the_item_makes_sense(facts: list[Fact]) -> None:
    item: Item | None = None
    for fact in facts:
        own = isinstance(fact, PersonActed) and (item is None or item.state == "resolved")
        decision = Ignored("not offered") if own else decide(item, fact, EVENING, "newid")
        if isinstance(decision, Ignored):
            continue
        before, item = item, decision.item

        assert (item.state == "acting") == (item.attempt is not None)
        assert item.state == "acting" or (item.state == "resolved") == (item.resolved_at is not None)
        assert (item.resolved_at is None) == (item.outcome is None)
        assert item.proposal is None or item.state == "open"
        assert item.undo_until is None or item.resolved_at is not None
        assert item.snoozed_until is None or item.state != "resolved"
        assert before is None or item.version == before.version + (decision.transition is not None)
        assert before is None or item.said_at >= before.said_at
