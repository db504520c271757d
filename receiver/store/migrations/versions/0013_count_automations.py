"""count automations"""

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0012"


def upgrade() -> None:
    with op.batch_alter_table("action", schema=None) as batch_op:
        batch_op.create_index(
            "ix_action_automation",
            ["at"],
            unique=False,
            sqlite_where=sa.text("via = 'automation'"),
            postgresql_where=sa.text("via = 'automation'"),
        )
