"""find what is old without looking at everything"""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    for name, table, column, condition in (
        ("ix_inbox_done", "inbox", "done_at", "state <> 'new'"),
        ("ix_item_resolved", "item", "resolved_at", "state = 'resolved'"),
    ):
        only = sa.text(condition)
        op.create_index(name, table, [column], sqlite_where=only, postgresql_where=only)
    op.create_index("ix_outbox_item_id", "outbox", ["item_id"])
