"""add what nobody knows yet, as a later version may: tables, columns and indexes, and nothing taken away"""

import sqlalchemy as sa
from alembic import op

revision = "9000"
down_revision = "HEAD OF TODAY"


def upgrade() -> None:
    op.create_table("later", sa.Column("id", sa.BigInteger(), primary_key=True), sa.Column("words", sa.Text()))
    for table in ("item", "event", "outbox", "action", "message", "history", "token"):
        op.add_column(table, sa.Column("later", sa.Text(), nullable=True))
        op.add_column(table, sa.Column("later_still", sa.Integer(), server_default="0", nullable=False))
    op.create_index("ix_item_later", "item", ["later"])
