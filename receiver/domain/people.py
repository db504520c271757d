"""Who a person is, what they may do, and when a decision needs two people. Nobody may do anything by default."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal

from receiver.domain.money import Money

_GOOGLE = frozenset({"gmail.com", "googlemail.com"})


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody who acts. ``label`` is what colleagues read: the name, else the address, else the Slack id."""

    email: str | None = None
    name: str | None = None
    slack_id: str | None = None

    def is_same_as(self, other: "Person") -> bool:
        """Whether these are certainly one person: the mailbox or the Slack id is the same."""
        is_same_mailbox = self.mailbox is not None and self.mailbox == other.mailbox
        return is_same_mailbox or (self.slack_id is not None and self.slack_id == other.slack_id)

    @property
    def mailbox(self) -> str | None:
        """The mailbox of the address; see ``mailbox_of``."""
        return mailbox_of(self.email) if self.email else None

    @property
    def label(self) -> str:
        return self.name or self.email or self.slack_id or "somebody"


def mailbox_of(address: str) -> str:
    """The mailbox of an address: lower case, without "+tag"; at Google also without dots.

    https://www.rfc-editor.org/rfc/rfc5233, https://support.google.com/mail/answer/7436150
    """
    local, _, domain = address.strip().casefold().rpartition("@")
    local = local.partition("+")[0] or local
    return f"{local.replace('.', '')}@gmail.com" if domain in _GOOGLE else f"{local}@{domain}"


@dataclass(frozen=True, slots=True)
class People:
    """The [people] section: addresses, ``@domain`` entries and Slack user ids."""

    resolvers: frozenset[str] = frozenset()
    admins: frozenset[str] = frozenset()
    debitura_users: Mapping[str, str] = field(default_factory=dict)
    four_eyes_above: Mapping[str, float] = field(default_factory=dict)  # in major units, by currency

    def may_resolve(self, person: Person) -> bool:
        """Whether this person may decide: a resolver or an admin."""
        return self._is_in(person, self.resolvers) or self._is_in(person, self.admins)

    def is_admin(self, person: Person) -> bool:
        return self._is_in(person, self.admins)

    def is_identifiable(self, person: Person) -> bool:
        """Whether the person can be one of two: Slack identified them, or [people] lists their full address."""
        return person.slack_id is not None or self._is_listed(person)

    def are_different(self, one: Person, other: Person) -> bool:
        """Whether these are certainly two people: two Slack ids, or two addresses that [people] lists in full.

        An address that matches only a ``@domain`` entry may belong to the same person, or be a shared mailbox.
        """
        if one.is_same_as(other):
            return False
        return bool(one.slack_id and other.slack_id) or (self._is_listed(one) and self._is_listed(other))

    def needs_second_person(self, money: Money | None) -> bool:
        """Whether a decision about this amount takes two people. A credit counts like a debt of the same amount.

        For a currency without a limit the smallest configured limit applies. An unknown amount is above every limit.
        """
        if money is None or not self.four_eyes_above:
            return bool(self.four_eyes_above)
        limit = self.four_eyes_above.get(money.currency or "", min(self.four_eyes_above.values()))
        return abs(money.amount) > Decimal(str(limit))

    def may_decide_alone(self, money: Money | None) -> bool:
        """Whether an automation may decide about this amount: below the limit, which its currency must have."""
        has_limit = money is not None and money.currency in self.four_eyes_above
        return not self.four_eyes_above or (has_limit and not self.needs_second_person(money))

    def debitura_sender(self, person: Person) -> str | None:
        """Address of the Debitura team member as whom this person replies; None if [people] maps none."""
        return self.debitura_users.get((person.email or "").lower())

    def _is_listed(self, person: Person) -> bool:
        return (person.email or "").lower() in self.resolvers | self.admins

    @staticmethod
    def _is_in(person: Person, entries: frozenset[str]) -> bool:
        if person.slack_id and person.slack_id in entries:
            return True
        email = (person.email or "").lower()
        local, at, domain = email.rpartition("@")
        return bool(local and at) and (email in entries or f"@{domain}" in entries)
