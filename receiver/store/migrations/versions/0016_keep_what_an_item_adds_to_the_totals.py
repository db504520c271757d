"""keep what an item adds to the totals"""

import sqlalchemy as sa
from alembic import op

revision = "0016"
down_revision = "0015"


def upgrade() -> None:
    op.add_column("item", sa.Column("stake", sa.Text(), nullable=True))
