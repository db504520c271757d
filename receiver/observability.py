"""Logging and metrics: log lines on stderr without secrets and personal data, and the list of all metrics.

Every step of the path may log and count. This module reads no settings; the commands pass them in.
"""

import asyncio
import json
import logging
import re
import sys
import textwrap
import threading
import traceback
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from secrets import token_hex
from typing import TextIO
from urllib.parse import quote

import structlog
from prometheus_client import (
    CONTENT_TYPE_LATEST,
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    disable_created_metrics,
    generate_latest,
)
from structlog.typing import EventDict, Processor, WrappedLogger

from receiver.errors import CasebellError

log: structlog.stdlib.BoundLogger = structlog.get_logger("casebell")
"""Events are named ``area.thing.event``. Values go into keyword arguments, never into the name."""

MASK = "••••"
METRICS_CONTENT_TYPE = CONTENT_TYPE_LATEST

_SENSITIVE = re.compile(
    r"authorization|body|comment|cookie|debtor|email|iban|notes?|passwd|password|phone|question|quote|secrets?"
    r"|signatures?|text|tokens?",
    re.IGNORECASE,
)
_WORDS = re.compile(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])")
_API_KEY = re.compile(r"api[-_]?key", re.IGNORECASE)
_SIGNED_PATH = re.compile(r"(/(?:act|media|unsubscribe)/)[^\s/?\"']+")
_ADDRESS = re.compile(r"([A-Za-z0-9])[A-Za-z0-9._%+-]*@(?=[A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)+)")
_CONTROL = re.compile(r"[\x00-\x08\x0a-\x1f\x7f-\x9f\u2028\u2029]")
_REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{8,64}")
_SHORTEST_SECRET = 6  # a shorter one would blank out ordinary words
_DEEPEST = 6
_MANY_LINES = frozenset({"exception", "stack"})
_MOST_FRAMES = 30
_WITHOUT_DATA = (
    *(TypeError, AttributeError, NameError, ImportError, AssertionError, RuntimeError),
    *(TimeoutError, asyncio.CancelledError, json.JSONDecodeError, BaseExceptionGroup),
)
_STORE_FAULTS = frozenset({"OperationalError", "ProgrammingError", "IntegrityError"})  # of SQLAlchemy and its drivers


class Redactor:
    """A structlog processor that masks the values of sensitive keys, and known secrets in any value."""

    def __init__(self, secrets: Iterable[str] = ()) -> None:
        known = {form for secret in secrets if len(secret) >= _SHORTEST_SECRET for form in (secret, quote(secret, ""))}
        longest_first = sorted(known, key=len, reverse=True)
        self._secrets = re.compile("|".join(map(re.escape, longest_first))) if known else None

    def __call__(self, _logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
        return {key: self._value(key, value, 0) for key, value in event.items()}

    def text(self, text: str) -> str:
        """``text`` without known secrets, signed links and the local parts of email addresses."""
        if self._secrets:
            text = self._secrets.sub(MASK, text)
        text = _SIGNED_PATH.sub(rf"\g<1>{MASK}", text)
        return _ADDRESS.sub(rf"\g<1>{MASK}@", text)

    def _value(self, key: str, value: object, depth: int) -> object:
        if value is None or isinstance(value, int | float):
            return value
        if _is_sensitive(key) or depth > _DEEPEST:
            return MASK
        if key == "error":  # the repr of an exception may quote data; its class does not
            return str(value).partition("(")[0]
        if isinstance(value, Mapping):
            return {str(inner): self._value(str(inner), held, depth + 1) for inner, held in value.items()}
        if isinstance(value, list | tuple | set | frozenset):
            return [self._value("", held, depth + 1) for held in value]
        text = self.text(value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value))
        return text if key in _MANY_LINES else _CONTROL.sub("�", text)


def format_exception(error: BaseException, depth: int = 0) -> str:
    """A traceback without data: the lines of code and the class of each exception.

    The message of an exception is kept only if its class never quotes data.
    """
    parts = []
    cause = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    if cause is not None and depth < _DEEPEST:
        parts.append(f"{format_exception(cause, depth + 1)}\n\nwhich led to:\n\n")
    parts += traceback.format_tb(error.__traceback__, limit=-_MOST_FRAMES)
    parts.append(f"{type(error).__qualname__}: {_message_of(error)}")
    if isinstance(error, BaseExceptionGroup) and depth < _DEEPEST:
        parts += [
            textwrap.indent(f"\n{format_exception(inner, depth + 1)}", "  | ") for inner in error.exceptions[:_DEEPEST]
        ]
    return "".join(parts)


def _message_of(error: BaseException) -> str:
    if isinstance(error, CasebellError):
        return error.code  # the message may be a vendor's, with personal data
    if isinstance(error, OSError):
        return error.strerror or MASK  # the full message may contain an address
    if isinstance(error, _WITHOUT_DATA):
        return str(error)
    if type(error).__name__ in _STORE_FAULTS:
        return str(error).partition("\n")[0]  # the other lines quote rows
    return MASK


def _exception(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    """A structlog processor that adds the exception of a log line, formatted without data."""
    given = event.pop("exc_info", None)
    error = given[1] if isinstance(given, tuple) else sys.exc_info()[1] if given is True else given
    if isinstance(error, BaseException):
        event["exception"] = format_exception(error)
    return event


def catch_the_rest(loop: asyncio.AbstractEventLoop) -> None:
    """Log unhandled exceptions in the same way: of callbacks, tasks and threads, and one that ends the process."""
    loop.set_exception_handler(
        lambda _loop, context: log.error(
            "loop.callback.broke",
            what=str(context.get("message", "")).partition("(")[0],  # arguments follow
            exc_info=context.get("exception"),
        )
    )
    threading.excepthook = lambda broke: log.error("thread.broke", exc_info=broke.exc_value)
    sys.excepthook = lambda _kind, error, _traceback: log.critical("process.broke", exc_info=error)


def _is_sensitive(key: str) -> bool:
    return bool(_API_KEY.search(key)) or any(map(_SENSITIVE.fullmatch, _WORDS.findall(key)))


def set_up(
    *, level: str = "info", as_json: bool | None = None, secrets: Iterable[str] = (), stream: TextIO | None = None
) -> None:
    """Send every log line of the process, libraries included, to ``stream`` (stderr).

    ``as_json`` None: JSON unless ``stream`` is a terminal. ``secrets``: values that are masked.
    """
    stream = stream or sys.stderr
    as_json = not stream.isatty() if as_json is None else as_json
    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    formatter = structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=[*shared, structlog.stdlib.add_logger_name],
        processors=[
            structlog.stdlib.ProcessorFormatter.remove_processors_meta,
            structlog.processors.StackInfoRenderer(),
            _exception,
            Redactor(secrets),
            _renderer(stream, as_json),
        ],
    )
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        wrapper_class=structlog.stdlib.BoundLogger,
        logger_factory=structlog.stdlib.LoggerFactory(),
    )
    _route_everything(stream, formatter, level.upper())


def _renderer(stream: TextIO, as_json: bool) -> Processor:
    if as_json:
        return structlog.processors.JSONRenderer(ensure_ascii=False, default=str)
    return structlog.dev.ConsoleRenderer(
        colors=stream.isatty(), exception_formatter=structlog.dev.plain_traceback, sort_keys=False
    )


def _route_everything(stream: TextIO, formatter: logging.Formatter, level: str) -> None:
    handler = logging.StreamHandler(stream)
    handler.setFormatter(formatter)
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level)
    for chatty in ("httpx", "httpcore", "uvicorn.access", "asyncio", "mail.log", "alembic"):
        logging.getLogger(chatty).setLevel(logging.WARNING)  # they log whole URLs, with secrets
    logging.getLogger("uvicorn.error").setLevel(logging.ERROR)  # it logs every invalid request


@contextmanager
def request(given: str | None = None) -> Iterator[str]:
    """Add one request id to every log line inside: ``given`` if it is valid, or else a new one."""
    request_id = given if given and _REQUEST_ID.fullmatch(given) else token_hex(8)
    with structlog.contextvars.bound_contextvars(request_id=request_id):
        yield request_id


class Metrics:
    """All metrics of Casebell. One instance for each process; a test makes its own."""

    def __init__(self) -> None:
        disable_created_metrics()  # type: ignore[no-untyped-call]  # prometheus_client left it untyped
        self.registry = CollectorRegistry()

        self.webhooks_total = self._counter(
            "webhooks_total", "Webhooks and clicks received, by outcome.", "source account outcome"
        )
        self.webhook_ack_seconds = self._histogram(
            "webhook_ack_seconds", "Seconds from the first byte of a webhook to its answer."
        )
        self.inbox_lag_seconds = self._histogram(
            "inbox_lag_seconds", "Seconds from storing an event until it was applied."
        )
        self.items_open = self._gauge(
            "items_open", "Items that are neither resolved nor snoozed.", "source kind urgency"
        )
        self.items_oldest_seconds = self._gauge(
            "items_oldest_seconds", "Age in seconds of the oldest item to decide, from when its source opened it."
        )
        self.amount_at_risk = self._gauge(
            "amount_at_risk",
            "Amount of the open items to decide, in major units; each receivable counts once.",
            "currency",
        )
        self.items_without_amount = self._gauge(
            "items_without_amount", "Open items to decide whose amount or currency is not known yet."
        )
        self.outbox_due = self._gauge("outbox_due", "Deliveries that are due.")
        self.outbox_oldest_seconds = self._gauge(
            "outbox_oldest_seconds", "Seconds since the oldest due delivery became due."
        )
        self.deliveries_total = self._counter(
            "deliveries_total", "Attempted deliveries, by outcome.", "channel outcome"
        )
        self.delivery_seconds = self._histogram("delivery_seconds", "Seconds one delivery took.", "channel")
        self.leases_reaped_total = self._counter(
            "leases_reaped_total", "Expired leases of deliveries that were taken over."
        )
        self.breakers_open = self._gauge(
            "breakers_open", "Open breakers: destinations that are paused because they failed.", "name"
        )
        self.actions_total = self._counter("actions_total", "Actions, by outcome.", "verb outcome via")
        self.reconcile_seconds = self._histogram(
            "reconcile_seconds", "Seconds one reconciliation of an account took.", "source account"
        )
        self.reconcile_last_success_timestamp_seconds = self._gauge(
            "reconcile_last_success_timestamp_seconds",
            "When an account was last reconciled completely, in Unix seconds.",
            "source account",
        )
        self.upstream_requests_total = self._counter(
            "upstream_requests_total", "Requests to the sources, by HTTP status or error.", "source operation status"
        )
        self.upstream_budget_remaining = self._gauge(
            "upstream_budget_remaining", "Requests left in an account's rate limit.", "source account class"
        )
        self.messages_out_of_sync = self._gauge(
            "messages_out_of_sync", "Messages that show an older version than their item has."
        )
        self.connections_refused_total = self._counter(
            "connections_refused_total", "Connections closed before their request was complete, by reason.", "reason"
        )

    def render(self) -> bytes:
        """The page of ``GET /metrics``, to be served as METRICS_CONTENT_TYPE."""
        return generate_latest(self.registry)

    def _counter(self, name: str, what: str, labels: str = "") -> Counter:
        return Counter(name, what, labels.split(), namespace="casebell", registry=self.registry)

    def _gauge(self, name: str, what: str, labels: str = "") -> Gauge:
        return Gauge(name, what, labels.split(), namespace="casebell", registry=self.registry)

    def _histogram(self, name: str, what: str, labels: str = "") -> Histogram:
        return Histogram(name, what, labels.split(), namespace="casebell", registry=self.registry, buckets=_BUCKETS)


_BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 900, 3600)
