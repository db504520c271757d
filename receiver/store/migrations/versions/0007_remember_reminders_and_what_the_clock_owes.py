"""remember reminders, and what the clock owes an item"""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"


def upgrade() -> None:
    op.create_table(
        "reminder",
        sa.Column("item_id", sa.Text(), nullable=False),
        sa.Column("route", sa.Text(), nullable=False),
        sa.Column("step", sa.Text(), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["item_id"], ["item.id"], name=op.f("fk_reminder_item_id")),
        sa.PrimaryKeyConstraint("item_id", "route", "step", name=op.f("pk_reminder")),
    )
    op.add_column("item", sa.Column("wake_at", sa.BigInteger(), nullable=True))
    op.create_index(
        "ix_item_wake",
        "item",
        ["wake_at"],
        sqlite_where=sa.text("wake_at IS NOT NULL"),
        postgresql_where=sa.text("wake_at IS NOT NULL"),
    )
    op.add_column("action", sa.Column("terms", sa.Text(), nullable=True))
    op.create_index(
        "ix_outbox_held",
        "outbox",
        ["destination"],
        sqlite_where=sa.text("state = 'held'"),
        postgresql_where=sa.text("state = 'held'"),
    )
