"""join what two systems say of one receivable"""

import json

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"

MOST_AT_ONCE = 1_000


def upgrade() -> None:
    with op.batch_alter_table("item", schema=None) as batch_op:
        batch_op.add_column(sa.Column("reference", sa.Text(), nullable=True))
    _fill_references()
    with op.batch_alter_table("item", schema=None) as batch_op:
        batch_op.create_index(
            "ix_item_open_reference",
            ["reference"],
            unique=False,
            sqlite_where=sa.text("state <> 'resolved'"),
            postgresql_where=sa.text("state <> 'resolved'"),
        )

    op.create_table(
        "receivable",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("reference", sa.Text(), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("account", sa.Text(), nullable=False),
        sa.Column("changed_at", sa.BigInteger(), nullable=False),
        sa.Column("missing_at", sa.BigInteger(), nullable=True),
        sa.Column("whole", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_receivable")),
        sa.UniqueConstraint("key", "reference", name=op.f("uq_receivable_key_reference")),
    )
    with op.batch_alter_table("receivable", schema=None) as batch_op:
        batch_op.create_index(op.f("ix_receivable_reference"), ["reference"], unique=False)
        batch_op.create_index(op.f("ix_receivable_changed_at"), ["changed_at"], unique=False)
        batch_op.create_index("ix_receivable_of_account", ["source", "account"], unique=False)

    op.create_table(
        "surveyed",
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("account", sa.Text(), nullable=False),
        sa.Column("began_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("source", "account", name=op.f("pk_surveyed")),
    )


def _fill_references() -> None:
    """What is known already is looked up by its reference, too."""
    item = sa.table("item", sa.column("id", sa.Text), sa.column("whole", sa.Text), sa.column("reference", sa.Text))
    connection, after = op.get_bind(), ""
    while True:
        chosen = sa.select(item.c.id, item.c.whole).where(item.c.id > after).order_by(item.c.id).limit(MOST_AT_ONCE)
        rows = connection.execute(chosen).all()
        for row in rows:
            reference = (json.loads(row.whole)["snapshot"].get("reference") or "").strip()
            if reference:
                connection.execute(item.update().where(item.c.id == row.id).values(reference=reference))
        if not rows:
            return
        after = rows[-1].id
