"""Determines as whom a reply is sent: a member of the creditor's team at Debitura, checked before the reply is sent.

The partner gets an e-mail in that member's name, so the sender is never guessed: docs/vendors/debitura.md#chats
"""

from datetime import datetime, timedelta

from receiver.domain.people import People, Person
from receiver.errors import PermanentError, RetryLaterError
from receiver.upstream.debitura.api import Api, Now

TEAM_TTL = timedelta(days=1)


class Team:
    """The active members by e-mail address, read once a day and whenever an address is unknown."""

    def __init__(self, api: Api, people: People, reply_as: str | None, now: Now) -> None:
        self._api = api
        self._people = people
        self._reply_as = reply_as
        self._now = now
        self._members: dict[str, str] = {}
        self._read_at: datetime | None = None

    async def sender(self, person: Person) -> str:
        """Return the address to send as. Raises PermanentError("no_sender") with the cure."""
        configured = self._people.debitura_sender(person)
        email = configured or person.email
        sender = await self.member(email) if email else None
        if sender is None and configured is None and self._reply_as:
            sender = await self.member(self._reply_as)
        if sender is None:
            raise PermanentError("no_sender", self._sender_cure(person, configured))
        return sender

    async def member(self, email: str) -> str | None:
        """Return the address as Debitura spells it; None when no active member has it, even after a fresh read."""
        is_known = _fold(email) in self._members
        is_fresh = self._read_at is not None and self._now() - self._read_at < TEAM_TTL
        if not (is_known and is_fresh):
            try:
                await self._read()
            except RetryLaterError:
                if not is_known:  # an older list of the team is better than no reply
                    raise
        return self._members.get(_fold(email))

    def forget(self) -> None:
        """Read the team again before the next reply, because Debitura rejected a member."""
        self._read_at = None

    async def _read(self) -> None:
        users = await self._api.users()
        self._members = {_fold(user.email): user.email for user in users if user.email}
        self._read_at = self._now()

    def _sender_cure(self, person: Person, configured: str | None) -> str:
        if configured:
            return f"{configured} is no active member of the team at Debitura; correct [people] debitura_users"
        map_person = f"map {person.label} to a member of the team at Debitura in [people] debitura_users"
        if self._reply_as:
            return f"{self._reply_as} is no active member of the team at Debitura; correct reply_as, or {map_person}"
        return f"Nobody to send as: {map_person}, or set reply_as"


def _fold(email: str) -> str:
    return email.strip().casefold()
