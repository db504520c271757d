"""Who has the App Home in Slack open, and what it last showed."""

from datetime import datetime

from sqlalchemy import Connection, delete, select, update

from receiver.store import upsert
from receiver.store.schema import app_home


def record_opened(connection: Connection, user: str, now: datetime) -> None:
    """A user opened their App Home: it must be rendered again."""
    new = upsert.insert(connection, app_home).values(user=user, seen_at=now, mark=None)
    values = {"seen_at": new.excluded.seen_at, "mark": None}
    connection.execute(new.on_conflict_do_update(index_elements=["user"], set_=values))


def list_recent_viewers(connection: Connection, since: datetime, most: int) -> list[tuple[str, str | None]]:
    """(user, marker of what their App Home shows) of those who opened it since then, newest first."""
    chosen = (
        select(app_home.c.user, app_home.c.mark).where(app_home.c.seen_at >= since).order_by(app_home.c.seen_at.desc())
    )
    return [(row.user, row.mark) for row in connection.execute(chosen.limit(most))]


def record_rendered(connection: Connection, user: str, before: str | None, mark: str) -> None:
    """Record what the App Home shows now, unless the user has opened it again since."""
    is_unchanged = app_home.c.mark.is_(None) if before is None else app_home.c.mark == before
    connection.execute(update(app_home).where(app_home.c.user == user, is_unchanged).values(mark=mark))


def delete_older(connection: Connection, before: datetime) -> None:
    """Delete the rows of users who have not opened their App Home since ``before``."""
    connection.execute(delete(app_home).where(app_home.c.seen_at < before))
