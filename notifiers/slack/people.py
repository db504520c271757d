"""Who pressed a button in Slack (step 8), as Slack vouches for it: never by the name a payload carries.

Guests, bots, deleted people and strangers of shared channels get no identity that [people] could name (contract A9).
"""

from collections.abc import Callable, Collection
from datetime import datetime, timedelta
from typing import Any

from notifiers.slack import escaping
from notifiers.slack.client import SlackClient
from notifiers.text import one_line
from receiver.domain.people import Person
from receiver.errors import PermanentError

CACHED_FOR = timedelta(minutes=10)
MAX_CACHED = 1_000
MAX_NAME = 80

_STRANGE = ("is_bot", "is_workflow_bot", "deleted", "is_restricted", "is_ultra_restricted", "is_stranger")
_UNKNOWN = frozenset({"user_not_found", "user_not_visible"})

Json = dict[str, Any]


class SlackPeople:
    """People of the workspace, remembered for ten minutes."""

    def __init__(self, client: SlackClient, team_ids: Collection[str], now: Callable[[], datetime]) -> None:
        self._client = client
        self._team_ids = frozenset(team_ids)
        self._now = now
        self._known: dict[str, tuple[datetime, Person]] = {}

    async def who(self, person: Person) -> Person:
        """The person as Slack knows them; without any identity when they are none of ours. Raises DeliveryError."""
        if not person.slack_id:
            return Person(name=person.label)
        known = self._known.get(person.slack_id)
        if known and self._now() - known[0] < CACHED_FOR:
            return known[1]
        found = await self._asked(person, person.slack_id)
        self._known.pop(person.slack_id, None)
        while len(self._known) >= MAX_CACHED:
            del self._known[next(iter(self._known))]
        self._known[person.slack_id] = (self._now(), found)
        return found

    async def _asked(self, person: Person, slack_id: str) -> Person:
        try:
            said = await self._client.user_info(slack_id)
        except PermanentError as error:
            if error.code in _UNKNOWN:
                return Person(name=person.label)
            raise
        if not self._is_ours(said, slack_id):
            return Person(name=_name(said) or person.label)
        return Person(email=_email(said), name=_name(said) or person.name, slack_id=slack_id)

    def _is_ours(self, said: Json, slack_id: str) -> bool:
        if said.get("id") != slack_id or any(said.get(flag) for flag in _STRANGE):
            return False
        enterprise = said.get("enterprise_user")
        teams = enterprise.get("teams") if isinstance(enterprise, dict) else None
        home = [said.get("team_id"), *(teams if isinstance(teams, list) else ())]
        return not self._team_ids or any(team in home for team in self._team_ids)


def _profile(said: Json) -> Json:
    profile = said.get("profile")
    return profile if isinstance(profile, dict) else {}


def _name(said: Json) -> str | None:
    named = (
        _profile(said).get("real_name"),
        said.get("real_name"),
        _profile(said).get("display_name"),
        said.get("name"),
    )
    names = (escaping.cut(one_line(name), MAX_NAME) for name in named if isinstance(name, str))
    return next((name for name in names if name), None)


def _email(said: Json) -> str | None:
    """The address, unless Slack says that nobody confirmed it: anybody may type the chief's address into a profile."""
    email = _profile(said).get("email")
    if not isinstance(email, str) or said.get("is_email_confirmed") is False:
        return None
    return email.strip().lower() or None
