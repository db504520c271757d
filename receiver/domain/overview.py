"""What one person sees of all items at once: theirs, what waits longest, and the day in figures."""

from dataclasses import dataclass
from datetime import datetime

from receiver.domain.notice import Notice
from receiver.domain.routing import Route
from receiver.domain.totals import Totals


@dataclass(frozen=True, slots=True)
class Overview:
    """``mine`` and ``waiting`` are cut to what fits on a screen; the totals and figures count everything.

    ``route`` says in which language, timezone and calendar the whole is told.
    """

    mine: tuple[Notice, ...]
    waiting: tuple[Notice, ...]
    totals: Totals
    opened_today: int
    resolved_today: int
    route: Route
    now: datetime
