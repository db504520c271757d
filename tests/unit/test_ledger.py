"""The item's state machine: each transition, and the invariants after any sequence of facts."""

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from receiver.domain.fact import (
    Fact,
    PersonActed,
    PersonRequested,
    SourceAccepted,
    SourceGone,
    SourceRefused,
    SourceReported,
    TwinChanged,
)
from receiver.domain.item import Attempt, Item
from receiver.domain.ledger import Applied, Ignored, decide
from receiver.domain.people import Person
from receiver.domain.twin import Twin
from tests.factories import NOW, make_item, make_snapshot

ANNA = Person(email="anna@creditor.example", name="Anna")
KEY = make_snapshot().key
LATER = NOW + timedelta(minutes=1)


def after(item: Item | None, fact: Fact) -> Item:
    decision = decide(item, fact, LATER, "newid")
    assert isinstance(decision, Applied), decision
    return decision.item


def asked(verb: str = "validate", action_id: int = 1) -> PersonRequested:
    return PersonRequested(KEY, action_id, verb, ANNA, "slack")


def acting(verb: str = "validate") -> Item:
    attempt = Attempt(1, verb, "Anna", "slack", NOW)
    return make_item(state="acting", version=2, attempt=attempt)


def test_an_open_todo_never_seen_before_opens_an_item() -> None:
    decision = decide(None, SourceReported(make_snapshot(), NOW), NOW, "newid")

    assert isinstance(decision, Applied)
    assert (decision.transition, decision.item.state, decision.item.version) == ("opened", "open", 1)


def test_a_todo_that_was_resolved_before_we_saw_it_wakes_nobody() -> None:
    said = SourceReported(make_snapshot(is_open=False, outcome="validated"), NOW)

    assert decide(None, said, NOW, "newid") == Ignored("never_open")


def test_the_same_words_again_change_nothing_people_could_see() -> None:
    decision = decide(make_item(), SourceReported(make_snapshot(), LATER), LATER, "x")

    assert isinstance(decision, Applied)
    assert (decision.transition, decision.item.version, decision.item.said_at) == (None, 1, LATER)


def test_new_words_raise_the_version() -> None:
    item = after(make_item(), SourceReported(make_snapshot(title="Wrong amount"), LATER))

    assert (item.version, item.snapshot.title) == (2, "Wrong amount")


def test_another_deadline_is_news() -> None:
    item = after(make_item(), SourceReported(make_snapshot(deadline_at=LATER), LATER))

    assert (item.version, item.snapshot.deadline_at) == (2, LATER)


def test_a_twin_that_looks_the_same_is_no_news() -> None:
    twin = Twin("debitura", "main", is_sure=True, name="Q8OAXF3W")
    shown = after(make_item(), TwinChanged(KEY, twin))

    assert (shown.version, shown.twin, shown.said_at) == (2, twin, NOW)
    assert decide(shown, TwinChanged(KEY, twin), LATER, "x") == Applied(shown, None)
    assert decide(None, TwinChanged(KEY, twin), LATER, "x") == Ignored("unknown_item")


def test_an_answer_that_is_older_than_what_is_known_is_ignored() -> None:
    old = SourceReported(make_snapshot(title="Old title"), NOW - timedelta(seconds=1))

    assert decide(make_item(), old, LATER, "x") == Ignored("older")


def test_resolved_elsewhere_is_resolved_here_and_credited_to_nobody() -> None:
    item = after(make_item(), SourceReported(make_snapshot(is_open=False, outcome="validated"), LATER))

    assert (item.state, item.outcome, item.resolved_by, item.resolved_at) == ("resolved", "validated", None, LATER)


def test_a_press_makes_it_acting_until_the_source_confirms() -> None:
    item = after(make_item(), asked())

    assert (item.state, item.version) == ("acting", 2)
    assert item.attempt is not None
    assert item.attempt.who == "Anna"


def test_a_poll_that_still_shows_it_open_does_not_undo_what_is_under_way() -> None:
    item = after(acting(), SourceReported(make_snapshot(), LATER))

    assert item.state == "acting"


def test_what_the_source_confirms_is_credited_to_who_asked() -> None:
    item = after(acting(), SourceReported(make_snapshot(is_open=False, outcome="validated"), LATER))

    assert (item.state, item.resolved_by, item.resolved_via, item.attempt) == ("resolved", "Anna", "slack", None)


def test_another_outcome_than_asked_for_is_not_credited_to_who_asked() -> None:
    item = after(acting("validate"), SourceReported(make_snapshot(is_open=False, outcome="rejected"), LATER))

    assert (item.outcome, item.resolved_by) == ("rejected", None)


def test_a_refusal_brings_the_buttons_back_with_the_reason() -> None:
    item = after(acting(), SourceRefused(KEY, 1, "the debt is closed"))

    assert (item.state, item.problem, item.attempt, item.version) == ("open", "the debt is closed", None, 3)


def test_a_refusal_of_another_attempt_is_ignored() -> None:
    assert decide(acting(), SourceRefused(KEY, 99, "x"), LATER, "x") == Ignored("other_attempt")


@pytest.mark.parametrize("state", ["acting", "resolved"])
def test_nobody_can_ask_twice(state: str) -> None:
    item = acting() if state == "acting" else make_item(state="resolved", resolved_at=NOW)

    assert decide(item, asked(), LATER, "x") == Ignored("not_open")


def test_a_task_missing_from_one_pass_waits_for_the_next() -> None:
    once = after(make_item(), SourceGone(KEY, LATER, is_certain=False, outcome="solved"))
    twice = after(once, SourceGone(KEY, LATER, is_certain=False, outcome="solved"))

    assert (once.state, once.is_missing, once.version) == ("open", True, 1)
    assert (twice.state, twice.outcome) == ("resolved", "solved")


def test_a_task_that_comes_back_is_not_missing_any_more() -> None:
    once = after(make_item(), SourceGone(KEY, LATER, is_certain=False))
    back = after(once, SourceReported(make_snapshot(), LATER))

    assert not back.is_missing


def test_a_resolved_item_that_the_source_shows_open_again_reopens() -> None:
    decision = decide(
        make_item(state="resolved", resolved_at=NOW, outcome="validated", resolved_by="Anna", version=4),
        SourceReported(make_snapshot(), LATER),
        LATER,
        "x",
    )

    assert isinstance(decision, Applied)
    assert decision.transition == "reopened"
    assert (decision.item.state, decision.item.outcome, decision.item.resolved_by) == ("open", None, None)


def test_an_accepted_reply_is_awaited_and_then_credited() -> None:
    waiting = after(acting("reply"), SourceAccepted(KEY, 1))
    solved = after(waiting, SourceGone(KEY, LATER, outcome="solved"))

    assert (waiting.state, waiting.attempt and waiting.attempt.is_accepted) == ("acting", True)
    assert (solved.state, solved.resolved_by) == ("resolved", "Anna")


def test_an_accepted_reply_that_solves_nothing_in_half_an_hour_comes_back_to_people() -> None:
    waiting = after(acting("reply"), SourceAccepted(KEY, 1))
    item = after(waiting, SourceReported(make_snapshot(), NOW + timedelta(minutes=31)))

    assert (item.state, item.problem) == ("open", "still_open")


def test_claim_release_and_note_leave_the_state_alone() -> None:
    claimed = after(make_item(), PersonActed(KEY, "claim", ANNA, "slack"))
    released = after(claimed, PersonActed(KEY, "release", ANNA, "slack"))
    noted = after(released, PersonActed(KEY, "note", ANNA, "slack", note="called them"))

    assert (claimed.claimed_by, released.claimed_by, noted.note) == ("Anna", None, "called them")
    assert (noted.state, noted.version) == ("open", 4)


def test_facts_about_what_is_not_known_are_ignored() -> None:
    assert decide(None, asked(), NOW, "x") == Ignored("unknown_item")


FACTS = st.one_of(
    st.builds(
        lambda is_open, at, title: SourceReported(
            make_snapshot(is_open=is_open, outcome=None if is_open else "validated", title=title),
            NOW + timedelta(seconds=at),
        ),
        st.booleans(),
        st.integers(0, 9),
        st.sampled_from(["a", "b"]),
    ),
    st.builds(lambda at, sure: SourceGone(KEY, NOW + timedelta(seconds=at), sure), st.integers(0, 9), st.booleans()),
    st.builds(asked, st.sampled_from(["validate", "reject", "reply"]), st.integers(1, 3)),
    st.builds(lambda verb: PersonActed(KEY, verb, ANNA, "mail", "n"), st.sampled_from(["claim", "release", "note"])),
    st.builds(SourceAccepted, st.just(KEY), st.integers(1, 3)),
    st.builds(SourceRefused, st.just(KEY), st.integers(1, 3), st.just("no")),
)


@given(st.lists(FACTS, max_size=30))
def test_after_any_sequence_of_facts_the_item_makes_sense(facts: list[Fact]) -> None:
    item: Item | None = None
    for fact in facts:
        decision = decide(item, fact, LATER, "newid")
        if isinstance(decision, Ignored):
            continue
        before, item = item, decision.item

        assert (item.state == "acting") == (item.attempt is not None)
        assert (item.state == "resolved") == (item.resolved_at is not None)
        assert (item.state == "resolved") == (item.outcome is not None)
        assert before is None or item.version == before.version + (decision.transition is not None)
        assert before is None or item.said_at >= before.said_at
