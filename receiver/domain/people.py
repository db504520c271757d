"""Who a person is and what they may do; nobody may anything unless named (interfaces.md, [people])."""

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody who acts. ``label`` is what colleagues read: a name, else an address, else an id."""

    email: str | None = None
    name: str | None = None
    slack_id: str | None = None

    @property
    def label(self) -> str:
        return self.name or self.email or self.slack_id or "somebody"


@dataclass(frozen=True, slots=True)
class People:
    """The [people] section: addresses, ``@domain`` entries and Slack user ids."""

    resolvers: frozenset[str] = frozenset()
    admins: frozenset[str] = frozenset()
    debitura_users: Mapping[str, str] = field(default_factory=dict)

    def may_resolve(self, person: Person) -> bool:
        """Whether this person may press a button; admins may, strangers may not."""
        return self._is_in(person, self.resolvers) or self._is_in(person, self.admins)

    def is_admin(self, person: Person) -> bool:
        return self._is_in(person, self.admins)

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
