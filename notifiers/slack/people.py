"""Looks up who clicked, through ``users.info``; names in a payload are not trusted.

Guests, bots, deleted users and users of other workspaces get no identity that [people] could name
(docs/vendors/slack.md#people).
"""

from collections.abc import Callable, Collection
from datetime import datetime, timedelta

from notifiers.slack import escaping
from notifiers.slack.client import SlackClient
from notifiers.slack.wire import Json, object_at
from notifiers.text import one_line
from receiver.domain.people import Person
from receiver.errors import PermanentError

MAX_AGE = timedelta(minutes=10)
MAX_CACHED = 1_000
MAX_NAME = 80

_OUTSIDER_FLAGS = ("is_bot", "is_workflow_bot", "deleted", "is_restricted", "is_ultra_restricted", "is_stranger")
_UNKNOWN = frozenset({"user_not_found", "user_not_visible"})


class SlackPeople:
    """The workspace's users, cached for ten minutes."""

    def __init__(self, client: SlackClient, team_ids: Collection[str], now: Callable[[], datetime]) -> None:
        self._client = client
        self._team_ids = frozenset(team_ids)
        self._now = now
        self._cache: dict[str, tuple[datetime, Person]] = {}

    async def identify(self, person: Person) -> Person:
        """The person with Slack's data; without id and address if they are no member. Raises DeliveryError."""
        if not person.slack_id:
            return Person(name=person.label)
        entry = self._cache.get(person.slack_id)
        if entry and self._now() - entry[0] < MAX_AGE:
            return entry[1]
        member = await self._fetch(person, person.slack_id)
        self._cache.pop(person.slack_id, None)
        while len(self._cache) >= MAX_CACHED:
            del self._cache[next(iter(self._cache))]
        self._cache[person.slack_id] = (self._now(), member)
        return member

    async def _fetch(self, person: Person, slack_id: str) -> Person:
        try:
            user = await self._client.user_info(slack_id)
        except PermanentError as error:
            if error.code in _UNKNOWN:
                return Person(name=person.label)
            raise
        if not self._is_member(user, slack_id):
            return Person(name=_name(user) or person.label)
        return Person(email=_email(user), name=_name(user) or person.name, slack_id=slack_id)

    def _is_member(self, user: Json, slack_id: str) -> bool:
        if user.get("id") != slack_id or any(user.get(flag) for flag in _OUTSIDER_FLAGS):
            return False
        teams = object_at(user, "enterprise_user").get("teams")
        memberships = [user.get("team_id"), *(teams if isinstance(teams, list) else ())]
        return not self._team_ids or any(team in memberships for team in self._team_ids)


def _name(user: Json) -> str | None:
    profile = object_at(user, "profile")
    candidates = (profile.get("real_name"), user.get("real_name"), profile.get("display_name"), user.get("name"))
    names = (escaping.cut(one_line(name), MAX_NAME) for name in candidates if isinstance(name, str))
    return next((name for name in names if name), None)


def _email(user: Json) -> str | None:
    """The mail address, unless it is unconfirmed: users can enter any address in their profile."""
    email = object_at(user, "profile").get("email")
    if not isinstance(email, str) or user.get("is_email_confirmed") is False:
        return None
    return email.strip().lower() or None
