"""What one person sees of all items at once: theirs, what waits longest, and the day in figures."""

from dataclasses import dataclass
from datetime import datetime

from receiver.domain.notice import Notice
from receiver.domain.routing import Route


@dataclass(frozen=True, slots=True)
class Overview:
    """``mine`` and ``waiting`` are cut to what fits on a screen; the figures count everything.

    ``route`` says in which language, timezone and calendar the whole is told.
    """

    mine: tuple[Notice, ...]
    waiting: tuple[Notice, ...]
    open: int
    blocking: int
    opened_today: int
    resolved_today: int
    route: Route
    now: datetime
