"""Keeps each person's Home tab in Slack up to date with the store.

A tab that cannot be updated delays nothing and alerts nobody: it is updated when the person opens it again.
"""

from datetime import timedelta

from receiver.context import Adapters
from receiver.errors import DeliveryError, RetryLaterError
from receiver.observability import log
from receiver.store import app_home, items

UPDATED_FOR = timedelta(days=14)  # after the person last opened it
MOST_AT_ONCE = 50
REFRESH_EVERY = timedelta(minutes=5)  # relative times such as "3 hours ago" change
REFUSED = "refused"


class AppHomes:
    """Remembers the state of the items at its last run, so that most runs cost one query."""

    def __init__(self, adapters: Adapters) -> None:
        self._adapters = adapters
        self._pulse: object = None

    async def redraw(self) -> int:
        """Update the tabs that no longer show the state of the store. Returns 0: one run does all there is."""
        adapters = self._adapters
        if adapters.surfaces is None:
            return 0
        now = adapters.now()
        tabs = await adapters.database.read(app_home.list_recent_viewers, now - UPDATED_FOR, MOST_AT_ONCE)
        if not tabs:
            return 0
        period = int(now.timestamp() // REFRESH_EVERY.total_seconds())
        pulse = (await adapters.database.read(items.change_marker), period)
        if pulse == self._pulse:
            tabs = [(user, mark) for user, mark in tabs if mark is None]
        for user, mark in tabs:
            try:
                await self._update(user, mark)
            except RetryLaterError as error:  # Slack or the store is unavailable; the next run continues here
                log.warning("app_home.postponed", reason=error.code)
                return 0
        if pulse != self._pulse:
            await adapters.database.write(app_home.delete_older, now - UPDATED_FOR)
        self._pulse = pulse
        return 0

    async def _update(self, user: str, mark: str | None) -> None:
        assert self._adapters.surfaces is not None
        try:
            shown = await self._adapters.surfaces.publish_home(user, mark)
        except RetryLaterError:
            raise
        except DeliveryError as error:  # the Home tab is switched off, or the person has left
            log.warning("app_home.refused", reason=error.code)
            shown = REFUSED
        if shown != mark:
            await self._adapters.database.write(app_home.record_rendered, user, mark, shown)
