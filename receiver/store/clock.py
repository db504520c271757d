"""The clock of the database server, so that replicas agree on leases when their own clocks differ."""

import time
from collections.abc import Callable
from datetime import datetime, timedelta

from sqlalchemy import Connection, text

from receiver.store.schema import EPOCH

SYNC_EVERY_S = 10.0
MAX_ROUND_TRIP_S = 1.0  # the reading is off by at most half of it
_CLOCK = text("SELECT CAST(extract(epoch FROM clock_timestamp()) * 1000000 AS bigint)")


def ticks() -> float:
    """A monotonic clock that nobody sets and that advances while the machine sleeps, in seconds."""
    return time.clock_gettime(getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC))


class ServerClock:
    """The clock of the server, extrapolated by ``ticks`` between readings. The clock of this machine is not used."""

    def __init__(self, ticks: Callable[[], float] = ticks) -> None:
        self._ticks = ticks
        self._reading: tuple[datetime, float] | None = None

    def now(self) -> datetime:
        assert self._reading is not None, "sync comes before now"
        server_time, read_at = self._reading
        return server_time + timedelta(seconds=self._ticks() - read_at)

    def sync(self, connection: Connection) -> None:
        """Read the clock of the server, unless that was done recently. A slow answer is discarded."""
        before = self._ticks()
        if self._reading is not None and before - self._reading[1] < SYNC_EVERY_S:
            return
        server_time = EPOCH + timedelta(microseconds=connection.execute(_CLOCK).scalar_one())
        after = self._ticks()
        if self._reading is None or after - before < MAX_ROUND_TRIP_S:
            self._reading = (server_time, (before + after) / 2)
