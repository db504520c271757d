"""An overview as data: one person's items, those that wait longest, and counts of the day. It fills the Home tab."""

from dataclasses import dataclass
from datetime import datetime

from receiver.domain.notice import Notice
from receiver.domain.routing import Route
from receiver.domain.totals import Totals


@dataclass(frozen=True, slots=True)
class Overview:
    """``mine`` and ``waiting`` are limited to what fits on a screen; totals and counts are of all items.

    ``route`` gives the language, the time zone and the calendar.
    """

    mine: tuple[Notice, ...]
    waiting: tuple[Notice, ...]
    totals: Totals
    opened_today: int
    resolved_today: int
    route: Route
    now: datetime
