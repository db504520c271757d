"""Who has Casebell's own page in Slack open, and what it showed last."""

from datetime import datetime

from sqlalchemy import Connection, delete, select, update

from receiver.store import upsert
from receiver.store.schema import app_home


def opened(connection: Connection, user: str, now: datetime) -> None:
    """Somebody looks at their page: whatever it showed, it is drawn anew."""
    fresh = upsert.insert(connection, app_home).values(user=user, seen_at=now, mark=None)
    again = {"seen_at": fresh.excluded.seen_at, "mark": None}
    connection.execute(fresh.on_conflict_do_update(index_elements=["user"], set_=again))


def seen_since(connection: Connection, since: datetime, most: int) -> list[tuple[str, str | None]]:
    """(user, mark of what their page shows) of who looked since then, who looked last first."""
    chosen = (
        select(app_home.c.user, app_home.c.mark).where(app_home.c.seen_at >= since).order_by(app_home.c.seen_at.desc())
    )
    return [(row.user, row.mark) for row in connection.execute(chosen.limit(most))]


def shown(connection: Connection, user: str, before: str | None, mark: str) -> None:
    """Their page shows this now, unless they have opened it again meanwhile."""
    is_same = app_home.c.mark.is_(None) if before is None else app_home.c.mark == before
    connection.execute(update(app_home).where(app_home.c.user == user, is_same).values(mark=mark))


def forget(connection: Connection, before: datetime) -> None:
    connection.execute(delete(app_home).where(app_home.c.seen_at < before))
