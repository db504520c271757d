"""Which time it is: the database server's, so that replicas agree on who holds what, whatever their machines think."""

import time
from collections.abc import Callable
from datetime import datetime, timedelta

from sqlalchemy import Connection, text

from receiver.store.schema import EPOCH

LOOK_EVERY_S = 10.0
SLOWEST_LOOK_S = 1.0  # the reading is off by at most half of it
_CLOCK = text("SELECT CAST(extract(epoch FROM clock_timestamp()) * 1000000 AS bigint)")


def ticks() -> float:
    """Seconds that nobody sets and that go on while the machine sleeps."""
    return time.clock_gettime(getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC))


class ServerClock:
    """The server's clock, carried on between two looks by ticks: this machine's date and time play no part."""

    def __init__(self, ticks: Callable[[], float] = ticks) -> None:
        self._ticks = ticks
        self._reading: tuple[datetime, float] | None = None

    def now(self) -> datetime:
        assert self._reading is not None, "looked at before anybody asks"
        said, at = self._reading
        return said + timedelta(seconds=self._ticks() - at)

    def look(self, connection: Connection) -> None:
        """Ask the server unless it was asked a moment ago. A slow answer is no better than the last reading."""
        before = self._ticks()
        if self._reading is not None and before - self._reading[1] < LOOK_EVERY_S:
            return
        said = EPOCH + timedelta(microseconds=connection.execute(_CLOCK).scalar_one())
        after = self._ticks()
        if self._reading is None or after - before < SLOWEST_LOOK_S:
            self._reading = (said, (before + after) / 2)
