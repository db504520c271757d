"""When a decision takes two people, and when two identities are two people."""

from dataclasses import replace
from decimal import Decimal

import pytest

from receiver.domain.money import Money
from receiver.domain.people import People, Person, mailbox_of

PEOPLE = People(
    resolvers=frozenset({"@creditor.example", "anna@creditor.example", "ar@creditor.example", "U1"}),
    admins=frozenset({"ben@creditor.example", "b.n@gmail.com"}),
    four_eyes_above={"EUR": 10_000.0, "DKK": 75_000.0},
)
ANNA = Person(email="anna@creditor.example", name="Anna")
ANNA_IN_SLACK = replace(ANNA, slack_id="U1")
BEN = Person(email="ben@creditor.example", name="Ben")
BEN_IN_SLACK = replace(BEN, slack_id="U2")
EVE = Person(email="eve@creditor.example", name="Eve")  # only her domain is admitted
EVE_IN_SLACK = replace(EVE, slack_id="U3")
TEAM = Person(email="ar@creditor.example")
RULE = Person(name="automation:sure")


def money(amount: str, currency: str | None) -> Money:
    return Money(Decimal(amount), currency)


@pytest.mark.parametrize(
    ("owed", "needs_second"),
    [
        (money("10000", "EUR"), False),  # at the limit, not above it
        (money("10000.01", "EUR"), True),
        (money("50000", "DKK"), False),
        (money("75000.01", "DKK"), True),
        (money("-10000.01", "EUR"), True),  # a credit
        (money("10000", "USD"), False),  # no limit of its own: the smallest one counts
        (money("10000.01", "USD"), True),
        (money("10001", "JPY"), True),
        (money("10000", None), False),
        (money("10000.01", None), True),
        (None, True),  # it may be any amount
    ],
)
def test_a_second_person_is_needed_above_the_limit_and_where_the_amount_is_not_known(
    owed: Money | None, needs_second: bool
) -> None:
    assert PEOPLE.needs_second_person(owed) is needs_second
    assert not People().needs_second_person(owed)
    assert not (PEOPLE.may_decide_alone(owed) and needs_second)


@pytest.mark.parametrize(
    ("one", "other", "are_different"),
    [
        pytest.param(ANNA_IN_SLACK, BEN_IN_SLACK, True, id="two in Slack"),
        pytest.param(ANNA_IN_SLACK, EVE_IN_SLACK, True, id="two in Slack, one admitted by the domain"),
        pytest.param(Person(slack_id="U1"), Person(slack_id="U2"), True, id="two in Slack without addresses"),
        pytest.param(ANNA_IN_SLACK, replace(ANNA, slack_id="U9"), False, id="two in Slack with one address"),
        pytest.param(ANNA_IN_SLACK, Person("anna+2@creditor.example", None, "U9"), False, id="and with a tag"),
        pytest.param(ANNA_IN_SLACK, Person("other@creditor.example", None, "U1"), False, id="one id, two addresses"),
        pytest.param(ANNA_IN_SLACK, ANNA, False, id="one by Slack and by mail"),
        pytest.param(ANNA_IN_SLACK, BEN, True, id="Slack and mail, both listed"),
        pytest.param(ANNA_IN_SLACK, TEAM, True, id="Slack and a mailbox that is listed as a person"),
        pytest.param(EVE_IN_SLACK, TEAM, False, id="Slack and mail, one not listed"),
        pytest.param(ANNA_IN_SLACK, EVE, False, id="Slack and mail, the mail not listed"),
        pytest.param(Person(slack_id="U1"), BEN, False, id="Slack without an address, and mail"),
        pytest.param(ANNA, BEN, True, id="two listed addresses"),
        pytest.param(ANNA, EVE, False, id="two addresses, one admitted by the domain"),
        pytest.param(ANNA, Person("ANNA@Creditor.example"), False, id="one address in capitals"),
        pytest.param(ANNA, Person("anna+2@creditor.example"), False, id="one mailbox with a tag"),
        pytest.param(Person("b.n@gmail.com"), Person("bn+x@googlemail.com"), False, id="one mailbox at Google"),
        pytest.param(ANNA, RULE, False, id="a rule"),
        pytest.param(ANNA_IN_SLACK, Person(name="root (terminal)"), False, id="a terminal that does not say who"),
    ],
)
def test_two_people_are_two_only_where_that_is_sure(one: Person, other: Person, are_different: bool) -> None:
    assert PEOPLE.are_different(one, other) is are_different
    assert PEOPLE.are_different(other, one) is are_different


@pytest.mark.parametrize(
    ("person", "can_be"), [(EVE_IN_SLACK, True), (ANNA, True), (TEAM, True), (EVE, False), (RULE, False)]
)
def test_who_is_reached_by_mail_alone_is_told_apart_only_when_listed_in_full(person: Person, can_be: bool) -> None:
    assert PEOPLE.is_identifiable(person) is can_be


def test_two_listed_addresses_of_one_mailbox_are_one_person() -> None:
    people = People(resolvers=frozenset({"anna@creditor.example", "anna+2@creditor.example"}))

    assert not people.are_different(ANNA, Person("anna+2@creditor.example"))


@pytest.mark.parametrize(
    ("address", "mailbox"),
    [
        ("Anna+2@Creditor.Example ", "anna@creditor.example"),
        ("a.nna@creditor.example", "a.nna@creditor.example"),
        ("a.n.n.a+x+y@googlemail.com", "anna@gmail.com"),
        ("+@creditor.example", "+@creditor.example"),
    ],
)
def test_a_mailbox_is_the_address_without_case_and_tag(address: str, mailbox: str) -> None:
    assert mailbox_of(address) == mailbox
