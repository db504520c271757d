"""Beside the walk: keeps people's own page in Slack true. It only looks at the store; one replica runs it at a time.

A page that cannot be drawn holds nothing up and is told nobody: whoever opens it again has it drawn again.
"""

from datetime import timedelta

from receiver.context import Adapters
from receiver.errors import DeliveryError, RetryLaterError
from receiver.observability import log
from receiver.store import app_home, items

KEPT_FOR = timedelta(days=14)  # since somebody last looked
MOST_AT_ONCE = 50
AGES_FOR = timedelta(minutes=5)  # "3 hours ago" is true so long
REFUSED = "refused"


class AppHomes:
    """Remembers how things stood when it last looked, so that most looks cost one line of SQL."""

    def __init__(self, adapters: Adapters) -> None:
        self._adapters = adapters
        self._pulse: object = None

    async def redraw(self) -> int:
        """Draw the pages that show something else than what is. Returns 0: there is never more to do at once."""
        adapters = self._adapters
        if adapters.surfaces is None:
            return 0
        now = adapters.now()
        looking = await adapters.database.read(app_home.seen_since, now - KEPT_FOR, MOST_AT_ONCE)
        if not looking:
            return 0
        pulse = (await adapters.database.read(items.pulse), int(now.timestamp() // AGES_FOR.total_seconds()))
        if pulse == self._pulse:
            looking = [(user, mark) for user, mark in looking if mark is None]
        for user, mark in looking:
            try:
                await self._draw(user, mark)
            except RetryLaterError as error:  # Slack or the store is away; the next look goes on from here
                log.warning("home.held", reason=error.code)
                return 0
        if pulse != self._pulse:
            await adapters.database.write(app_home.forget, now - KEPT_FOR)
        self._pulse = pulse
        return 0

    async def _draw(self, user: str, mark: str | None) -> None:
        assert self._adapters.surfaces is not None
        try:
            shown = await self._adapters.surfaces.draw_home(user, mark)
        except RetryLaterError:
            raise
        except DeliveryError as error:  # the Home tab is switched off, or they are gone
            log.warning("home.refused", reason=error.code)
            shown = REFUSED
        if shown != mark:
            await self._adapters.database.write(app_home.shown, user, mark, shown)
