"""Logs and metrics: configures structured logs on stderr without secrets and debtor data, and defines every metric.

Every module may log and count. Nothing reads state from here. It does not know the settings; the caller passes them.
"""

import asyncio
import json
import logging
import re
import sys
import textwrap
import threading
import traceback
from collections.abc import Iterable, Mapping
from functools import partial
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
"""Events are named ``area.object.event``. Variable parts are keyword arguments, never part of the name."""

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
_MIN_SECRET_LENGTH = 6  # masking a shorter one would also mask ordinary words
_MAX_DEPTH = 6
_MULTILINE_KEYS = frozenset({"exception", "stack"})
_MAX_FRAMES = 30
# Errors whose messages are about the program and never contain its data.
_PROGRAM_ERRORS = (
    *(TypeError, AttributeError, NameError, ImportError, AssertionError, RuntimeError),
    *(TimeoutError, asyncio.CancelledError, json.JSONDecodeError, BaseExceptionGroup),
)
_BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 900, 3600)  # of durations, in seconds
_DATABASE_ERRORS = frozenset({"OperationalError", "ProgrammingError", "IntegrityError"})  # of SQLAlchemy and drivers


class Redactor:
    """A structlog processor that masks the values of sensitive keys, and known secrets in any value."""

    def __init__(self, secrets: Iterable[str] = ()) -> None:
        """``secrets`` shorter than 6 characters are not masked."""
        long_enough = [secret for secret in secrets if len(secret) >= _MIN_SECRET_LENGTH]
        known = {form for secret in long_enough for form in (secret, quote(secret, ""))}
        longest_first = sorted(known, key=len, reverse=True)
        self._secrets = re.compile("|".join(map(re.escape, longest_first))) if known else None

    def __call__(self, _logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
        return {key: self._value(key, value, 0) for key, value in event.items()}

    def text(self, text: str) -> str:
        """``text`` without known secrets, signed links and the local parts of e-mail addresses."""
        if self._secrets:
            text = self._secrets.sub(MASK, text)
        text = _SIGNED_PATH.sub(rf"\g<1>{MASK}", text)
        return _ADDRESS.sub(rf"\g<1>{MASK}@", text)

    def _value(self, key: str, value: object, depth: int) -> object:
        if value is None or isinstance(value, int | float):
            return value
        if _is_sensitive(key) or depth > _MAX_DEPTH:
            return MASK
        if key == "error":  # the repr of an exception may contain data; its class does not
            return str(value).partition("(")[0]
        if isinstance(value, Mapping):
            return {str(name): self._value(str(name), inner, depth + 1) for name, inner in value.items()}
        if isinstance(value, list | tuple | set | frozenset):
            return [self._value("", inner, depth + 1) for inner in value]
        text = self.text(value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value))
        return text if key in _MULTILINE_KEYS else _CONTROL.sub("�", text)


def format_traceback(error: BaseException, depth: int = 0) -> str:
    """A traceback without data: frames and exception classes; messages only of classes that never contain data."""
    parts = []
    cause = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    if cause is not None and depth < _MAX_DEPTH:
        parts.append(f"{format_traceback(cause, depth + 1)}\n\nwhich led to:\n\n")
    parts += traceback.format_tb(error.__traceback__, limit=-_MAX_FRAMES)
    parts.append(f"{type(error).__qualname__}: {_safe_message(error)}")
    if isinstance(error, BaseExceptionGroup) and depth < _MAX_DEPTH:
        grouped = error.exceptions[:_MAX_DEPTH]
        parts += [textwrap.indent(f"\n{format_traceback(inner, depth + 1)}", "  | ") for inner in grouped]
    return "".join(parts)


def _safe_message(error: BaseException) -> str:
    if isinstance(error, CasebellError):
        return error.code  # the message may be a vendor's and contain personal data
    if isinstance(error, OSError):
        return error.strerror or MASK  # other arguments may be addresses
    if isinstance(error, _PROGRAM_ERRORS):
        return str(error)
    if type(error).__name__ in _DATABASE_ERRORS:
        return str(error).partition("\n")[0]  # further lines contain values of rows
    return MASK


def _add_exception(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    """A structlog processor that replaces ``exc_info`` by ``exception``, a traceback without data."""
    exc_info = event.pop("exc_info", None)
    error = exc_info[1] if isinstance(exc_info, tuple) else sys.exc_info()[1] if exc_info is True else exc_info
    if isinstance(error, BaseException):
        event["exception"] = format_traceback(error)
    return event


def log_unhandled_errors(loop: asyncio.AbstractEventLoop) -> None:
    """Log exceptions that nothing handles, by the same rules: in callbacks, tasks and threads, and at exit."""
    loop.set_exception_handler(
        lambda _loop, context: log.error(
            "loop.callback.failed",
            what=str(context.get("message", "")).partition("(")[0],  # arguments follow
            exc_info=context.get("exception"),
        )
    )
    threading.excepthook = lambda args: log.error("thread.failed", exc_info=args.exc_value)
    sys.excepthook = lambda _kind, error, _traceback: log.critical("process.failed", exc_info=error)


def _is_sensitive(key: str) -> bool:
    return bool(_API_KEY.search(key)) or any(map(_SENSITIVE.fullmatch, _WORDS.findall(key)))


def configure_logs(
    *, level: str = "info", as_json: bool | None = None, secrets: Iterable[str] = (), stream: TextIO | None = None
) -> None:
    """Write every log line of the process, those of libraries included, to ``stream`` (default: stderr).

    ``as_json`` None: JSON unless ``stream`` is a terminal. ``secrets``: values to mask.
    """
    stream = stream or sys.stderr
    as_json = not stream.isatty() if as_json is None else as_json
    shared: list[Processor] = [structlog.stdlib.add_log_level, structlog.processors.TimeStamper(fmt="iso", utc=True)]
    formatter = structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=[*shared, structlog.stdlib.add_logger_name],
        processors=[
            structlog.stdlib.ProcessorFormatter.remove_processors_meta,
            structlog.processors.StackInfoRenderer(),
            _add_exception,
            Redactor(secrets),
            _renderer(stream, as_json),
        ],
    )
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        wrapper_class=structlog.stdlib.BoundLogger,
        logger_factory=structlog.stdlib.LoggerFactory(),
    )
    _configure_libraries(stream, formatter, level.upper())


def _renderer(stream: TextIO, as_json: bool) -> Processor:
    if as_json:
        return structlog.processors.JSONRenderer(ensure_ascii=False, default=str)
    return structlog.dev.ConsoleRenderer(
        colors=stream.isatty(), exception_formatter=structlog.dev.plain_traceback, sort_keys=False
    )


def _configure_libraries(stream: TextIO, formatter: logging.Formatter, level: str) -> None:
    handler = logging.StreamHandler(stream)
    handler.setFormatter(formatter)
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level)
    for name in ("httpx", "httpcore", "uvicorn.access", "asyncio", "mail.log", "alembic"):
        logging.getLogger(name).setLevel(logging.WARNING)  # below, they write whole URLs with their tokens
    logging.getLogger("uvicorn.error").setLevel(logging.ERROR)  # below, it writes a line for each malformed request


class Metrics:
    """Every metric of Casebell. A process has one instance; a test makes its own."""

    def __init__(self) -> None:
        disable_created_metrics()  # type: ignore[no-untyped-call]  # untyped in prometheus_client
        self.registry = CollectorRegistry()
        counter = partial(Counter, namespace="casebell", registry=self.registry)
        gauge = partial(Gauge, namespace="casebell", registry=self.registry)
        histogram = partial(Histogram, namespace="casebell", registry=self.registry, buckets=_BUCKETS)
        self.webhooks_total = counter(
            "webhooks_total", "Webhooks and clicks received, by outcome.", ["source", "account", "outcome"]
        )
        self.webhook_ack_seconds = histogram(
            "webhook_ack_seconds", "Seconds from the first byte of a webhook to its answer."
        )
        self.inbox_lag_seconds = histogram("inbox_lag_seconds", "Seconds between storing an event and applying it.")
        self.actions_total = counter("actions_total", "Actions of people, by outcome.", ["verb", "outcome", "via"])
        self.connections_refused_total = counter(
            "connections_refused_total", "Connections closed before their request was complete, by reason.", ["reason"]
        )
        self.items_open = gauge(
            "items_open", "Items that are neither resolved nor snoozed.", ["source", "kind", "urgency"]
        )
        self.items_oldest_seconds = gauge(
            "items_oldest_seconds", "Age in seconds of the oldest item that needs a decision."
        )
        self.amount_at_risk = gauge(
            "amount_at_risk",
            "Amount of open items that need a decision, in major units; a receivable counts once.",
            ["currency"],
        )
        self.items_without_amount = gauge(
            "items_without_amount", "Open items that need a decision and have no known amount or currency."
        )
        self.outbox_due = gauge("outbox_due", "Deliveries that are due.")
        self.outbox_oldest_seconds = gauge("outbox_oldest_seconds", "Seconds since the oldest delivery was due.")
        self.deliveries_total = counter("deliveries_total", "Delivery attempts, by outcome.", ["channel", "outcome"])
        self.delivery_seconds = histogram("delivery_seconds", "Seconds one delivery took.", ["channel"])
        self.leases_reaped_total = counter("leases_reaped_total", "Leases of deliveries that expired.")
        self.breakers_open = gauge("breakers_open", "Destinations that are paused because they failed.", ["name"])
        self.messages_out_of_sync = gauge("messages_out_of_sync", "Messages that show an older version of their item.")
        self.reconcile_seconds = histogram(
            "reconcile_seconds", "Seconds one reconciliation of an account took.", ["source", "account"]
        )
        self.reconcile_last_success_timestamp_seconds = gauge(
            "reconcile_last_success_timestamp_seconds",
            "Time of the last complete reconciliation of an account, in Unix seconds.",
            ["source", "account"],
        )
        self.upstream_requests_total = counter(
            "upstream_requests_total",
            "Requests to the sources, by HTTP status or error.",
            ["source", "operation", "status"],
        )
        self.upstream_budget_remaining = gauge(
            "upstream_budget_remaining", "Requests left in an account's rate limit.", ["source", "account", "class"]
        )

    def render(self) -> bytes:
        """The response of ``GET /metrics``, of type METRICS_CONTENT_TYPE."""
        return generate_latest(self.registry)
