"""keep what an item adds to the totals, and amounts as they were said"""

import json
from decimal import Decimal
from typing import Any

import sqlalchemy as sa
from alembic import op
from babel.numbers import get_currency_precision

revision = "0016"
down_revision = "0015"

ROWS_AT_ONCE = 500
USUAL_DIGITS = 2


def upgrade() -> None:
    op.add_column("item", sa.Column("stake", sa.Text(), nullable=True))
    for name in ("item", "receivable"):
        _bring_forward(sa.table(name, sa.column("key"), sa.column("whole")))


def _bring_forward(table: sa.TableClause) -> None:
    """Each amount in this table that stands in minor units."""
    connection, at = op.get_bind(), ""
    while True:
        older = sa.select(table.c.key).where(table.c.key > at, table.c.whole.contains('"minor":')).distinct()
        keys = connection.execute(older.order_by(table.c.key).limit(ROWS_AT_ONCE)).scalars().all()
        if not keys:
            return
        rows = connection.execute(sa.select(table).where(table.c.key.in_(keys))).all()
        for row in rows:
            mine = (table.c.key == row.key, table.c.whole == row.whole)
            connection.execute(sa.update(table).where(*mine).values(whole=_in_major_units(row.whole)))
        at = keys[-1]


def _in_major_units(whole: str) -> str:
    return json.dumps(json.loads(whole, object_hook=_amount), ensure_ascii=False, separators=(",", ":"))


def _amount(found: dict[str, Any]) -> dict[str, Any]:
    """An amount as it is kept now; anything else as it is."""
    if "minor" not in found or not found.keys() <= {"minor", "currency"}:
        return found
    currency = found.pop("currency", None)
    digits = get_currency_precision(currency) if currency else USUAL_DIGITS
    amount = str(Decimal(found["minor"]).scaleb(-digits))
    return {"amount": amount, "currency": currency} if currency else {"amount": amount}
