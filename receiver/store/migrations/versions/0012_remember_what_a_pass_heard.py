"""remember what a pass heard"""

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"


def upgrade() -> None:
    op.create_table(
        "heard_out",
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("account", sa.Text(), nullable=False),
        sa.Column("said_at", sa.BigInteger(), nullable=False),
        sa.Column("but_not", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("source", "account", name=op.f("pk_heard_out")),
    )
