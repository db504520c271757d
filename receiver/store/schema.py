"""The tables. ``migrations/`` creates them, and a test compares the two."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Dialect,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    Table,
    TypeDecorator,
    UniqueConstraint,
    false,
    text,
)
from sqlalchemy import Text as PlainText

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


class Instant(TypeDecorator[datetime]):
    """An aware UTC datetime as microseconds since 1970: the same order and meaning in both databases."""

    impl = BigInteger
    cache_ok = True

    def bind_processor(self, dialect: Dialect) -> Callable[[datetime | None], int | None]:
        del dialect
        return _microseconds

    def process_result_value(self, value: int | None, dialect: Dialect) -> datetime | None:
        del dialect
        return None if value is None else EPOCH + value * _MICROSECOND


class Text(TypeDecorator[str]):
    """Text that both databases accept: PostgreSQL refuses NUL, and neither accepts a lone surrogate."""

    impl = PlainText
    cache_ok = True

    def bind_processor(self, dialect: Dialect) -> Callable[[str | None], str | None]:
        del dialect
        return _storable


def _microseconds(at: datetime | None) -> int | None:
    return None if at is None else (at - EPOCH) // _MICROSECOND


def _storable(text_: str | None) -> str | None:
    if text_ is None or (text_.isascii() and "\0" not in text_):
        return text_
    return text_.encode("utf-8", "replace").decode().replace("\0", "\ufffd")


def _partial(condition: str) -> dict[str, Any]:
    """A partial index in both databases, so that finished rows do not slow down queries for due ones."""
    return {"sqlite_where": text(condition), "postgresql_where": text(condition)}


# SQLite generates ids only for a column that is exactly INTEGER PRIMARY KEY.
_Id = BigInteger().with_variant(Integer, "sqlite")

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)

event = Table(
    "event",
    metadata,
    Column("id", _Id, primary_key=True),
    Column("source", Text, nullable=False),
    Column("account", Text, nullable=False),
    Column("event_id", Text, nullable=False),
    Column("headers", Text, nullable=False),
    Column("body", LargeBinary, nullable=False),
    Column("received_at", Instant, nullable=False),
    Column("state", Text, nullable=False),  # new, done, quarantined
    Column("reason", Text),
    Column("due_at", Instant, nullable=False),
    Column("attempts", Integer, nullable=False, server_default="0"),
    Column("claim_id", Text),
    Column("lease_until", Instant),
    Column("done_at", Instant),
    UniqueConstraint("source", "account", "event_id"),
    Index("ix_event_new", "source", "account", "due_at", "id", **_partial("state = 'new'")),
    Index("ix_event_done", "done_at", **_partial("state <> 'new'")),
)

item = Table(
    "item",
    metadata,
    Column("id", Text, primary_key=True),
    Column("key", Text, nullable=False, unique=True),
    Column("source", Text, nullable=False),
    Column("account", Text, nullable=False),
    Column("kind", Text, nullable=False),
    Column("urgency", Text, nullable=False),
    Column("state", Text, nullable=False),  # open, acting, resolved
    Column("version", Integer, nullable=False),
    Column("said_at", Instant, nullable=False),
    Column("opened_at", Instant, nullable=False),
    Column("changed_at", Instant, nullable=False),
    Column("resolved_at", Instant),
    Column("document", Text, nullable=False),  # the Item as JSON; the other columns are for queries
    Column("reference", Text),  # of the creditor, normalized as twins are looked up by it
    Column("wake_at", Instant),  # the end of its snooze, or of the time to undo a rule's decision
    Column("stake", Text),  # its part of the totals, as JSON; null when resolved
    Index("ix_item_wake", "wake_at", **_partial("wake_at IS NOT NULL")),
    Index("ix_item_open", "source", "account", **_partial("state <> 'resolved'")),
    Index("ix_item_open_reference", "reference", **_partial("state <> 'resolved'")),
    Index("ix_item_resolved", "resolved_at", **_partial("state = 'resolved'")),
)

history = Table(
    "history",
    metadata,
    Column("id", _Id, primary_key=True),
    Column("item_id", Text, ForeignKey("item.id"), nullable=False, index=True),
    Column("at", Instant, nullable=False),
    Column("fact", Text, nullable=False),
    Column("transition", Text),
    Column("ignored", Text),
    Column("version", Integer, nullable=False),
    Column("who", Text),
    Column("via", Text),
    Column("detail", Text),
)

outbox = Table(
    "outbox",
    metadata,
    Column("id", _Id, primary_key=True),
    Column("item_id", Text, ForeignKey("item.id"), index=True),  # null: about no single item, such as a digest
    Column("destination", Text, nullable=False),
    Column("what", Text, nullable=False),  # the kind: show, reply, command, fresh_link, digest, burst, …
    Column("payload", Text, nullable=False),
    Column("state", Text, nullable=False),  # due, done, dead, deferred: quiet hours, grouped: after its group's message
    Column("due_at", Instant, nullable=False),
    Column("attempts", Integer, nullable=False, server_default="0"),
    Column("maybe_delivered", Boolean, nullable=False, server_default=false()),  # an earlier attempt may have arrived
    Column("unconfirmed_sends", Integer, nullable=False, server_default="0"),  # how many attempts may have arrived
    Column("is_interactive", Boolean, nullable=False, server_default=false()),  # caused by a person's click
    Column("lost_leases", Integer, nullable=False, server_default="0"),  # claims that ended without an outcome
    Column("retried_at", Instant),  # when a person retried it
    Column("claim_id", Text),
    Column("lease_until", Instant),
    Column("reason", Text),
    Column("created_at", Instant, nullable=False),
    Column("done_at", Instant),
    Column("group_id", Integer),  # null: not assigned yet; 0: sent alone; else its alert_group
    Index("ix_outbox_due", "due_at", **_partial("state = 'due'")),
    Index("ix_outbox_leased", "lease_until", **_partial("lease_until IS NOT NULL")),
    Index("ix_outbox_waiting", "item_id", "destination", **_partial("state = 'due'")),
    Index("ix_outbox_deferred", "destination", **_partial("state = 'deferred'")),
    Index("ix_outbox_group", "group_id", **_partial("group_id > 0")),
)

alert_group = Table(
    "alert_group",
    metadata,
    Column("id", _Id, primary_key=True),
    Column("destination", Text, nullable=False),
    Column("route", Text, nullable=False),  # of its first alert
    Column("began_at", Instant, nullable=False),
    Column("until", Instant, nullable=False),  # new alerts are sent alone from then on
    Column("reference", Text),  # of its message
    Column("content_key", Text),  # of what its message shows: groups.content_key_of
    Column("maybe_delivered", Boolean, nullable=False, server_default=false()),  # a second copy may exist
    Column("is_over", Boolean, nullable=False, server_default=false()),  # it gets no more updates
    Index("ix_alert_group_open", "destination", **_partial("NOT is_over")),
)

message = Table(
    "message",
    metadata,
    Column("id", _Id, primary_key=True),
    Column("item_id", Text, ForeignKey("item.id"), nullable=False),
    Column("destination", Text, nullable=False),
    Column("reference", Text, nullable=False),
    Column("route", Text, nullable=False),
    Column("version", Integer, nullable=False),  # of the item that it shows; 0: unknown
    Column("state_shown", Text),
    Column("changed_at", Instant, nullable=False),
    Column("maybe_delivered", Boolean, nullable=False, server_default=false()),  # an unknown second copy may exist
    UniqueConstraint("item_id", "destination", "reference"),
)

action = Table(
    "action",
    metadata,
    Column("id", _Id, primary_key=True),
    Column("identity", Text, nullable=False, unique=True),
    Column("item_id", Text, ForeignKey("item.id"), nullable=False, index=True),
    Column("verb", Text, nullable=False),
    Column("version", Integer, nullable=False),
    Column("person", Text, nullable=False),
    Column("via", Text, nullable=False),
    Column("note", Text),
    Column("text", Text),
    Column("answer_to", Text),
    Column("state", Text, nullable=False),  # proposed, asked, done, refused, failed, dry_run
    Column("reason", Text),
    Column("at", Instant, nullable=False),
    Column("finished_at", Instant),
    Column("terms", Text),  # the rest of the input, as JSON
    Index("ix_action_automation", "at", **_partial("via = 'automation'")),
)

reminder = Table(
    "reminder",
    metadata,
    Column("item_id", Text, ForeignKey("item.id"), primary_key=True),
    Column("route", Text, primary_key=True),
    Column("step", Text, primary_key=True),
    Column("at", Instant, nullable=False),
)

token = Table(
    "token",
    metadata,
    Column("id", Text, primary_key=True),
    Column("item_id", Text, ForeignKey("item.id"), nullable=False, index=True),
    Column("version", Integer, nullable=False),
    Column("address", Text, nullable=False),
    Column("route", Text, nullable=False),
    Column("created_at", Instant, nullable=False),
    Column("expires_at", Instant, nullable=False),
    Column("used_at", Instant),
    Column("used_by", Text),
    Column("used_verb", Text),
)

lease = Table(
    "lease",
    metadata,
    Column("name", Text, primary_key=True),  # of a loop that one replica may run at a time
    Column("holder", Text, nullable=False),
    Column("until", Instant, nullable=False),
)

digest = Table(
    "digest",
    metadata,
    Column("name", Text, primary_key=True),
    Column("slot", Instant, primary_key=True),  # when it was due; each slot can be claimed once
    Column("covers_since", Instant, nullable=False),
    Column("made_at", Instant, nullable=False),
    Column("sent_to", Integer, nullable=False),  # number of destinations; 0: nothing to send, or the rule's first run
)

admin_alert = Table(
    "admin_alert",
    metadata,
    Column("name", Text, primary_key=True),  # what it is about, such as "getbill:main" or "mail"
    Column("code", Text, nullable=False),
    Column("since", Instant, nullable=False),
    Column("reason", Text, nullable=False),
)

account_sync = Table(
    "account_sync",
    metadata,
    Column("source", Text, primary_key=True),
    Column("account", Text, primary_key=True),
    Column("synced_at", Instant),  # the end of the last complete sync
    Column("failure", Text),  # why the last sync failed; null: it did not
    Column("failed_since", Instant),  # the first failure in a row
    Column("open_items_as_of", Instant),  # every open item was read as it was then …
    Column("open_items_missing", Text),  # … except these keys, a JSON list
    Column("receivables_as_of", Instant),  # all receivables were read by a sync that began then
)

app_home = Table(
    "app_home",
    metadata,
    Column("user", Text, primary_key=True),  # a Slack user id
    Column("seen_at", Instant, nullable=False),  # when the user last opened it
    Column("mark", Text),  # a hash of what it shows; null: to be rendered
)

suppression = Table(
    "suppression",
    metadata,
    Column("address", Text, primary_key=True),  # in lower case
    Column("list", Text, primary_key=True),  # name of a digest, or "" for all mail
    Column("reason", Text, nullable=False),  # unsubscribed, or the answer of the mail server
    Column("at", Instant, nullable=False),
    Column("until", Instant),  # null: until it is lifted
)

breaker = Table(
    "breaker",
    metadata,
    Column("name", Text, primary_key=True),  # what fails together: slack:C1, slack, slack posts, mail, getbill:main
    Column("state", Text, nullable=False),  # closed, open
    Column("failures", Integer, nullable=False, server_default="0"),  # in a row
    Column("openings", Integer, nullable=False, server_default="0"),  # since it was last closed by a success
    Column("open_until", Instant),
    Column("probe", Text),  # the claim that was let through as a probe
    Column("probe_until", Instant),
    Column("reason", Text),
)

pace = Table(
    "pace",
    metadata,
    Column("name", Text, primary_key=True),
    Column("full_at", Instant, nullable=False),  # when the bucket of tokens is full again
)

receivable = Table(
    "receivable",
    metadata,
    Column("id", _Id, primary_key=True),
    Column("key", Text, nullable=False),
    Column("reference", Text, nullable=False, index=True),
    Column("source", Text, nullable=False),
    Column("account", Text, nullable=False),
    Column("changed_at", Instant, nullable=False, index=True),  # since when the source reports it like this
    Column("missing_at", Instant),  # missing from one complete list; the next one decides
    Column("document", Text, nullable=False),  # the Receivable as JSON
    UniqueConstraint("key", "reference"),
    Index("ix_receivable_of_account", "source", "account"),
)

login = Table(
    "login",
    metadata,
    Column("id", Text, primary_key=True),
    Column("address", Text, nullable=False, index=True),
    Column("created_at", Instant, nullable=False),
    Column("used_at", Instant),
)

session = Table(
    "session",
    metadata,
    Column("id", Text, primary_key=True),  # hash of the secret in the browser's cookie
    Column("address", Text, nullable=False, index=True),
    Column("created_at", Instant, nullable=False),
    Column("expires_at", Instant, nullable=False, index=True),
)
