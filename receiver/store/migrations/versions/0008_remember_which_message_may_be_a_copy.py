"""remember which message may be a copy"""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"


def upgrade() -> None:
    with op.batch_alter_table("message", schema=None) as batch_op:
        batch_op.add_column(sa.Column("is_doubtful", sa.Boolean(), server_default=sa.false(), nullable=False))
