"""Who a person is and what they may do; nobody may anything unless named (interfaces.md, [people])."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal

from receiver.domain.money import Money


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody who acts. ``label`` is what colleagues read: a name, else an address, else an id."""

    email: str | None = None
    name: str | None = None
    slack_id: str | None = None

    def is_surely_other(self, than: "Person") -> bool:
        """Whether these are two people: what can be compared differs, and something can be."""
        pairs = [(self.slack_id, than.slack_id), ((self.email or "").lower(), (than.email or "").lower())]
        known = [(one, other) for one, other in pairs if one and other]
        return bool(known) and all(one != other for one, other in known)

    def is_surely(self, other: "Person") -> bool:
        """Whether these are one person: an address or an id is the same."""
        is_same_email = bool(self.email) and (self.email or "").lower() == (other.email or "").lower()
        return is_same_email or (bool(self.slack_id) and self.slack_id == other.slack_id)

    @property
    def label(self) -> str:
        return self.name or self.email or self.slack_id or "somebody"


@dataclass(frozen=True, slots=True)
class People:
    """The [people] section: addresses, ``@domain`` entries and Slack user ids."""

    resolvers: frozenset[str] = frozenset()
    admins: frozenset[str] = frozenset()
    debitura_users: Mapping[str, str] = field(default_factory=dict)
    four_eyes_above: Mapping[str, float] = field(default_factory=dict)  # in major units, by currency

    def may_resolve(self, person: Person) -> bool:
        """Whether this person may press a button; admins may, strangers may not."""
        return self._is_in(person, self.resolvers) or self._is_in(person, self.admins)

    def is_admin(self, person: Person) -> bool:
        return self._is_in(person, self.admins)

    def needs_second(self, money: Money | None) -> bool:
        """Whether a decision about this much takes two people; in an unknown currency the lowest limit counts.

        A credit is as much as a debt of the same amount.
        """
        if money is None or not self.four_eyes_above:
            return False
        unknown = min(self.four_eyes_above.values()) if money.currency is None else None
        limit = self.four_eyes_above.get(money.currency or "", unknown)
        return limit is not None and abs(money.amount) > Decimal(str(limit))

    def may_decide_alone(self, money: Money | None) -> bool:
        """Whether it is known that this much takes no second person: what cannot be judged is not for a rule."""
        if not self.four_eyes_above:
            return True
        limit = self.four_eyes_above.get(money.currency or "") if money else None
        return money is not None and limit is not None and abs(money.amount) <= Decimal(str(limit))

    def debitura_sender(self, person: Person) -> str | None:
        """The Debitura team member this person writes as, when [people] maps one."""
        return self.debitura_users.get((person.email or "").lower())

    @staticmethod
    def _is_in(person: Person, entries: frozenset[str]) -> bool:
        if person.slack_id and person.slack_id in entries:
            return True
        email = (person.email or "").lower()
        local, at, domain = email.rpartition("@")
        return bool(local and at) and (email in entries or f"@{domain}" in entries)
