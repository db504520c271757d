"""Logs contain no secrets and no debtor data, and the metrics page is stable."""

import asyncio
import gc
import io
import json
import logging
import sys
import threading
from collections.abc import Iterator
from typing import Any

import pytest
import structlog
from prometheus_client.parser import text_string_to_metric_families
from sqlalchemy.exc import OperationalError

from receiver.errors import PermanentError
from receiver.observability import (
    MASK,
    METRICS_CONTENT_TYPE,
    Metrics,
    Redactor,
    configure_logs,
    log,
    log_unhandled_errors,
)

SECRET = "s3cr3t-of-getbill/+x"
JANE = "Jane Roe"


@pytest.fixture
def stream() -> Iterator[io.StringIO]:
    root = logging.getLogger()
    handlers, level, before = root.handlers[:], root.level, structlog.get_config()
    written = io.StringIO()
    configure_logs(as_json=True, secrets=[SECRET], stream=written)
    yield written
    root.handlers[:] = handlers
    root.setLevel(level)
    structlog.configure(**before)


def last_line(stream: io.StringIO) -> dict[str, Any]:
    line: dict[str, Any] = json.loads(stream.getvalue().splitlines()[-1])
    return line


def test_a_line_is_json_with_time_level_and_event(stream: io.StringIO) -> None:
    log.warning("inbox.row.stored", source="getbill", count=3)

    line = last_line(stream)
    assert line.pop("timestamp").endswith("Z")
    assert line == {"event": "inbox.row.stored", "level": "warning", "source": "getbill", "count": 3}


@pytest.mark.parametrize(
    "key",
    [
        "token",
        "api_token",
        "apiKey",
        "XApiKey",
        "client_secret",
        "Authorization",
        "password",
        "X-GetBill-Signature",
        "body",
        "note",
        "text",
        "debtor",
        "debtorName",
        "email",
        "reply_text",
    ],
)
def test_a_sensitive_key_is_masked_however_it_is_spelled(stream: io.StringIO, key: str) -> None:
    log.info("upstream.request.sent", **{key: "Jane Roe owes"}, nested={key: ["deep"]})

    line = last_line(stream)
    assert (line[key], line["nested"][key]) == (MASK, MASK)


def test_words_that_only_look_sensitive_and_numbers_stay_readable(stream: io.StringIO) -> None:
    log.info("x", context="inbox", key="getbill:main:agreement:1", body_bytes=1200, has_note=True)

    line = last_line(stream)
    assert (line["context"], line["key"], line["body_bytes"], line["has_note"]) == (
        "inbox",
        "getbill:main:agreement:1",
        1200,
        True,
    )


def test_a_known_secret_is_scrubbed_from_messages_exceptions_and_other_libraries(stream: io.StringIO) -> None:
    try:
        int(SECRET)
    except ValueError:
        log.exception("upstream.request.failed", url="https://x.example/?key=s3cr3t-of-getbill%2F%2Bx")
        logging.getLogger("aiosmtplib").exception("AUTH %s", SECRET)

    lines = [json.loads(line) for line in stream.getvalue().splitlines()]
    assert [line["exception"].endswith(f"ValueError: {MASK}") for line in lines] == [True, True]
    assert lines[0]["url"] == f"https://x.example/?key={MASK}"
    assert lines[1]["event"] == f"AUTH {MASK}"


def about_jane(error: BaseException) -> BaseException:
    """The exception as it is where it was caught, with one about Jane behind it."""
    try:
        try:
            int(JANE)
        except ValueError:
            raise error  # noqa: B904 - as code does that does not think of it
    except BaseException as caught:  # noqa: BLE001 - any
        return caught
    raise AssertionError("unreachable")


@pytest.mark.parametrize(
    "error",
    [
        ValueError(JANE),
        KeyError(JANE),
        UnicodeDecodeError("utf-8", JANE.encode() + b"\xff", 8, 9, "no"),
        PermanentError("refused", f"{JANE} has paid"),
        FileNotFoundError(2, "No such file", f"/home/{JANE}"),
        ExceptionGroup("tasks", [ValueError(JANE)]),
        OperationalError("no such table", {"name": JANE}, Exception(f"no such table\n{JANE}")),
    ],
    ids=lambda error: type(error).__name__,
)
def test_an_exception_tells_where_it_broke_and_nothing_of_whom(stream: io.StringIO, error: BaseException) -> None:
    caught = about_jane(error)

    log.error("x", error=repr(caught), exc_info=caught)
    logging.getLogger("uvicorn.error").error("Exception in ASGI application", exc_info=caught)

    assert "Jane" not in stream.getvalue()
    for line in map(json.loads, stream.getvalue().splitlines()):
        assert type(error).__qualname__ in line["exception"]
        assert f"{__file__}" in line["exception"]
        assert "which led to" in line["exception"]


def test_an_exception_of_the_program_keeps_its_words(stream: io.StringIO) -> None:
    for error in (TypeError("f() takes 1 argument"), AssertionError("lost"), OSError(28, "No space left on device")):
        log.error("x", exc_info=error)

        assert str(error.args[-1]) in last_line(stream)["exception"]


def test_what_nobody_handled_is_logged_by_the_same_rules(stream: io.StringIO) -> None:
    async def forgotten() -> None:
        raise ValueError(JANE)

    async def main() -> None:
        loop = asyncio.get_running_loop()
        log_unhandled_errors(loop)
        loop.call_soon(int, JANE)
        task = asyncio.ensure_future(forgotten())
        await asyncio.wait({task})
        del task
        gc.collect()
        await asyncio.sleep(0.01)

    hooks = sys.excepthook, threading.excepthook
    try:
        asyncio.run(main())
        thread = threading.Thread(target=int, args=(JANE,))
        thread.start()
        thread.join()
        sys.excepthook(ValueError, ValueError(JANE), None)
    finally:
        sys.excepthook, threading.excepthook = hooks

    lines = [json.loads(line) for line in stream.getvalue().splitlines()]
    broke = ["loop.callback.failed", "loop.callback.failed", "thread.failed", "process.failed"]
    assert [line["event"] for line in lines] == broke
    assert "Jane" not in stream.getvalue()


def test_signed_links_and_peoples_addresses_are_cut_short() -> None:
    text = Redactor().text('GET /act/abc.def?x=1 for "anna.k@creditor.example"')

    assert text == f'GET /act/{MASK}?x=1 for "a{MASK}@creditor.example"'


def test_a_strangers_line_breaks_cannot_forge_a_log_line(stream: io.StringIO) -> None:
    configure_logs(as_json=False, stream=stream)

    log.info("inbox.row.stored", kind="x\n2026-01-01 [info] forged\x1b[2J")

    assert len(stream.getvalue().splitlines()) == 1
    assert "\x1b" not in stream.getvalue()


NAMES = """webhooks_total webhook_ack_seconds inbox_lag_seconds items_open items_oldest_seconds items_without_amount
amount_at_risk outbox_due outbox_oldest_seconds deliveries_total delivery_seconds actions_total reconcile_seconds
reconcile_last_success_timestamp_seconds upstream_requests_total upstream_budget_remaining messages_out_of_sync
leases_reaped_total breakers_open connections_refused_total"""


def test_the_page_holds_every_promised_metric_and_no_other() -> None:
    page = Metrics().render().decode()

    shown = {line.split()[2] for line in page.splitlines() if line.startswith("# HELP")}
    assert shown == {f"casebell_{name}" for name in NAMES.split()}
    assert METRICS_CONTENT_TYPE.startswith("text/plain")


def test_labels_are_those_promised() -> None:
    metrics = Metrics()
    metrics.webhooks_total.labels(source="getbill", account="main", outcome="stored").inc()
    metrics.items_open.labels(source="getbill", kind="hardship", urgency="blocking").set(2)
    metrics.deliveries_total.labels(channel="slack", outcome="sent").inc()
    metrics.delivery_seconds.labels(channel="slack").observe(0.2)
    metrics.actions_total.labels(verb="validate", outcome="accepted", via="slack").inc()
    metrics.reconcile_seconds.labels(source="getbill", account="main").observe(1)
    metrics.reconcile_last_success_timestamp_seconds.labels(source="getbill", account="main").set(1)
    metrics.upstream_requests_total.labels(source="getbill", operation="list_todos", status="200").inc()
    metrics.upstream_budget_remaining.labels("getbill", "main", "read").set(999)

    samples = {
        (sample.name, tuple(sorted(sample.labels)))
        for family in text_string_to_metric_families(metrics.render().decode())
        for sample in family.samples
    }
    assert ("casebell_webhooks_total", ("account", "outcome", "source")) in samples
    assert ("casebell_upstream_budget_remaining", ("account", "class", "source")) in samples
    assert not any(name.endswith("_created") for name, _ in samples)


def test_two_instances_do_not_share_counts() -> None:
    one, other = Metrics(), Metrics()

    one.outbox_due.set(5)

    assert b"casebell_outbox_due 5.0" in one.render()
    assert b"casebell_outbox_due 0.0" in other.render()
