"""The whole schema of version 0.1.0. Constraints get their names from the convention of ``schema.metadata``."""

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "202611280900"
down_revision = None
TEXT, TIME, NUMBER, BYTES = sa.Text(), sa.BigInteger(), sa.Integer(), sa.LargeBinary()


def upgrade() -> None:
    op.create_table(
        "account_sync",
        *_key(source=TEXT, account=TEXT),
        *_optional(synced_at=TIME, failure=TEXT, failed_since=TIME, open_items_as_of=TIME, open_items_missing=TEXT),
        *_optional(receivables_as_of=TIME),
    )
    op.create_table("admin_alert", *_key(name=TEXT), *_required(code=TEXT, since=TIME, reason=TEXT))
    op.create_table(
        "alert_group",
        _id(),
        *_required(destination=TEXT, route=TEXT, began_at=TIME, until=TIME),
        *_optional(reference=TEXT, content_key=TEXT),
        *_false("maybe_delivered", "is_over"),
        _index("ix_alert_group_open", "destination", where="NOT is_over"),
    )
    op.create_table("app_home", *_key(user=TEXT), *_required(seen_at=TIME), *_optional(mark=TEXT))
    op.create_table(
        "breaker",
        *_key(name=TEXT),
        *_required(state=TEXT),
        *_zero("failures", "openings"),
        *_optional(open_until=TIME, probe=TEXT, probe_until=TIME, reason=TEXT),
    )
    op.create_table("digest", *_key(name=TEXT, slot=TIME), *_required(covers_since=TIME, made_at=TIME, sent_to=NUMBER))
    op.create_table(
        "event",
        _id(),
        *_required(source=TEXT, account=TEXT, event_id=TEXT, headers=TEXT, body=BYTES, received_at=TIME, state=TEXT),
        *_optional(reason=TEXT),
        *_required(due_at=TIME),
        *_zero("attempts"),
        *_optional(claim_id=TEXT, lease_until=TIME, done_at=TIME),
        sa.UniqueConstraint("source", "account", "event_id"),
        _index("ix_event_done", "done_at", where="state <> 'new'"),
        _index("ix_event_new", "source", "account", "due_at", "id", where="state = 'new'"),
    )
    op.create_table(
        "item",
        *_key(id=TEXT),
        sa.Column("key", TEXT, nullable=False, unique=True),
        *_required(source=TEXT, account=TEXT, kind=TEXT, urgency=TEXT, state=TEXT, version=NUMBER, said_at=TIME),
        *_required(opened_at=TIME, changed_at=TIME),
        *_optional(resolved_at=TIME),
        *_required(document=TEXT),
        *_optional(reference=TEXT, wake_at=TIME, stake=TEXT),
        _index("ix_item_open", "source", "account", where="state <> 'resolved'"),
        _index("ix_item_open_reference", "reference", where="state <> 'resolved'"),
        _index("ix_item_resolved", "resolved_at", where="state = 'resolved'"),
        _index("ix_item_wake", "wake_at", where="wake_at IS NOT NULL"),
    )
    op.create_table("lease", *_key(name=TEXT), *_required(holder=TEXT, until=TIME))
    op.create_table(
        "login",
        *_key(id=TEXT),
        sa.Column("address", TEXT, nullable=False, index=True),
        *_required(created_at=TIME),
        *_optional(used_at=TIME),
    )
    op.create_table("pace", *_key(name=TEXT), *_required(full_at=TIME))
    op.create_table(
        "receivable",
        _id(),
        *_required(key=TEXT),
        sa.Column("reference", TEXT, nullable=False, index=True),
        *_required(source=TEXT, account=TEXT),
        sa.Column("changed_at", TIME, nullable=False, index=True),
        *_optional(missing_at=TIME),
        *_required(document=TEXT),
        sa.UniqueConstraint("key", "reference"),
        sa.Index("ix_receivable_of_account", "source", "account"),
    )
    op.create_table(
        "session",
        *_key(id=TEXT),
        sa.Column("address", TEXT, nullable=False, index=True),
        *_required(created_at=TIME),
        sa.Column("expires_at", TIME, nullable=False, index=True),
    )
    op.create_table(
        "suppression", *_key(address=TEXT, list=TEXT), *_required(reason=TEXT, at=TIME), *_optional(until=TIME)
    )
    op.create_table(
        "action",
        _id(),
        sa.Column("identity", TEXT, nullable=False, unique=True),
        sa.Column("item_id", TEXT, sa.ForeignKey("item.id"), nullable=False, index=True),
        *_required(verb=TEXT, version=NUMBER, person=TEXT, via=TEXT),
        *_optional(note=TEXT, text=TEXT, answer_to=TEXT),
        *_required(state=TEXT),
        *_optional(reason=TEXT),
        *_required(at=TIME),
        *_optional(finished_at=TIME, terms=TEXT),
        _index("ix_action_automation", "at", where="via = 'automation'"),
    )
    op.create_table(
        "history",
        _id(),
        sa.Column("item_id", TEXT, sa.ForeignKey("item.id"), nullable=False, index=True),
        *_required(at=TIME, fact=TEXT),
        *_optional(transition=TEXT, ignored=TEXT),
        *_required(version=NUMBER),
        *_optional(who=TEXT, via=TEXT, detail=TEXT),
    )
    op.create_table(
        "message",
        _id(),
        sa.Column("item_id", TEXT, sa.ForeignKey("item.id"), nullable=False),
        *_required(destination=TEXT, reference=TEXT, route=TEXT, version=NUMBER),
        *_optional(state_shown=TEXT),
        *_required(changed_at=TIME),
        *_false("maybe_delivered"),
        sa.UniqueConstraint("item_id", "destination", "reference"),
    )
    op.create_table(
        "outbox",
        _id(),
        sa.Column("item_id", TEXT, sa.ForeignKey("item.id"), index=True),
        *_required(destination=TEXT, what=TEXT, payload=TEXT, state=TEXT, due_at=TIME),
        *_zero("attempts"),
        *_false("maybe_delivered"),
        *_zero("unconfirmed_sends"),
        *_false("is_interactive"),
        *_zero("lost_leases"),
        *_optional(retried_at=TIME, claim_id=TEXT, lease_until=TIME, reason=TEXT),
        *_required(created_at=TIME),
        *_optional(done_at=TIME, group_id=NUMBER),
        _index("ix_outbox_deferred", "destination", where="state = 'deferred'"),
        _index("ix_outbox_due", "due_at", where="state = 'due'"),
        _index("ix_outbox_group", "group_id", where="group_id > 0"),
        _index("ix_outbox_leased", "lease_until", where="lease_until IS NOT NULL"),
        _index("ix_outbox_waiting", "item_id", "destination", where="state = 'due'"),
    )
    op.create_table(
        "reminder",
        sa.Column("item_id", TEXT, sa.ForeignKey("item.id"), primary_key=True),
        *_key(route=TEXT, step=TEXT),
        *_required(at=TIME),
    )
    op.create_table(
        "token",
        *_key(id=TEXT),
        sa.Column("item_id", TEXT, sa.ForeignKey("item.id"), nullable=False, index=True),
        *_required(version=NUMBER, address=TEXT, route=TEXT, created_at=TIME, expires_at=TIME),
        *_optional(used_at=TIME, used_by=TEXT, used_verb=TEXT),
    )


def _id() -> sa.Column[int]:
    return sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), primary_key=True)


def _key(**types: Any) -> list[sa.Column[Any]]:
    return [sa.Column(name, type_, primary_key=True) for name, type_ in types.items()]


def _required(**types: Any) -> list[sa.Column[Any]]:
    return [sa.Column(name, type_, nullable=False) for name, type_ in types.items()]


def _optional(**types: Any) -> list[sa.Column[Any]]:
    return [sa.Column(name, type_) for name, type_ in types.items()]


def _zero(*names: str) -> list[sa.Column[int]]:
    return [sa.Column(name, NUMBER, server_default="0", nullable=False) for name in names]


def _false(*names: str) -> list[sa.Column[bool]]:
    return [sa.Column(name, sa.Boolean(), server_default=sa.false(), nullable=False) for name in names]


def _index(name: str, *columns: str, where: str) -> sa.Index:
    return sa.Index(name, *columns, sqlite_where=sa.text(where), postgresql_where=sa.text(where))
