"""As whom a reply is sent: a member of the creditor's team at Debitura, checked before anything leaves.

Serves step 9. The partner is e-mailed in that member's name, so nobody is ever guessed (debitura.md, Consequences 8).
"""

from datetime import datetime, timedelta

from receiver.domain.people import People, Person
from receiver.errors import PermanentError, RetryLaterError
from receiver.upstream.debitura.api import Api, Now

KNOWN_FOR = timedelta(days=1)


class Team:
    """The active members by e-mail address, read once a day and whenever somebody is not among them."""

    def __init__(self, api: Api, people: People, reply_as: str | None, now: Now) -> None:
        self._api = api
        self._people = people
        self._reply_as = reply_as
        self._now = now
        self._members: dict[str, str] = {}
        self._read_at: datetime | None = None

    async def sender(self, person: Person) -> str:
        """The address to send as. Raises PermanentError("no_sender") with what to do about it."""
        mapped = self._people.debitura_sender(person)
        wanted = mapped or person.email
        found = await self.member(wanted) if wanted else None
        if found is None and mapped is None and self._reply_as:
            found = await self.member(self._reply_as)
        if found is None:
            raise PermanentError("no_sender", self._cure(person, mapped))
        return found

    async def member(self, email: str) -> str | None:
        """The address as Debitura writes it; None when no active member has it, also not a moment ago."""
        is_known = _folded(email) in self._members
        is_fresh = self._read_at is not None and self._now() - self._read_at < KNOWN_FOR
        if not (is_known and is_fresh):
            try:
                await self._read()
            except RetryLaterError:
                if not is_known:  # else a team known since yesterday is better than a reply that does not leave
                    raise
        return self._members.get(_folded(email))

    def forget(self) -> None:
        """Debitura disagrees about a member: read the team again before the next reply."""
        self._read_at = None

    async def _read(self) -> None:
        users = await self._api.users()
        self._members = {_folded(user.email): user.email for user in users if user.email}
        self._read_at = self._now()

    def _cure(self, person: Person, mapped: str | None) -> str:
        if mapped:
            return f"{mapped} is no active member of the team at Debitura; correct [people] debitura_users"
        map_them = f"map {person.label} to a member of the team at Debitura in [people] debitura_users"
        if self._reply_as:
            return f"{self._reply_as} is no active member of the team at Debitura; correct reply_as, or {map_them}"
        return f"Nobody to send as: {map_them}, or set reply_as"


def _folded(email: str) -> str:
    return email.strip().casefold()
