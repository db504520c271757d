"""Composition root: settings become adapters, an application and the loops. Only it and cli import notifiers."""

import asyncio
import gc
import sys
from collections.abc import AsyncIterator, Callable, Collection, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, closing
from datetime import datetime
from email.message import EmailMessage
from email.utils import parseaddr
from functools import partial
from typing import Any
from urllib.parse import urlsplit

from starlette.routing import BaseRoute

from notifiers.email import digest as email_digest
from notifiers.email import notifier as mail_notifier
from notifiers.email import render as email_render
from notifiers.email.client import SmtpClient
from notifiers.email.notifier import MailNotifier
from notifiers.i18n.translator import Translator
from notifiers.slack import app as slack_app
from notifiers.slack import digest as slack_digest
from notifiers.slack import errors as slack_codes
from notifiers.slack import manifest as slack_manifest
from notifiers.slack import render as slack_render
from notifiers.slack import signature as slack_signature
from notifiers.slack.client import SlackClient
from notifiers.slack.notifier import SlackNotifier
from receiver import ports
from receiver.app.rules import people_of, rules_of
from receiver.context import Adapters
from receiver.domain.digest import Edition
from receiver.domain.notice import Notice, Reminder
from receiver.domain.people import People
from receiver.domain.reply_template import ReplyTemplate
from receiver.domain.routing import first_route_at
from receiver.errors import DeliveryError
from receiver.jobs import worker
from receiver.observability import Metrics, log, log_unhandled_errors
from receiver.operations.queries import StoreQueries
from receiver.ports import Clicks, Notifier, Surfaces, Upstream, Verify
from receiver.settings import Settings, sections
from receiver.store import events, leases, outbox
from receiver.store.database import Database, is_shared, lock_database, open_database
from receiver.upstream.debitura import inbound as debitura_inbound
from receiver.upstream.debitura.client import Debitura
from receiver.upstream.getbill import inbound as getbill_inbound
from receiver.upstream.getbill.budget import READ, WRITE
from receiver.upstream.getbill.client import Getbill
from receiver.upstream.http import OnReply
from receiver.web.app import build_app
from receiver.web.connection_limits import ConnectionLimits
from receiver.web.server import Server, listen, stop_on_signals, url_of

Wrap = Callable[[Database], Database]
READY_LINE = "casebell is listening on {url}"
SWITCH_S = 0.0005
PREVIEWED = ("Casebell <casebell@creditor.example>", "you@creditor.example", "casebell.example.com")


def _as_is(database: Database) -> Database:
    return database


@asynccontextmanager
async def open_adapters(settings: Settings, *, url: str | None = None, wrap: Wrap = _as_is) -> AsyncIterator[Adapters]:
    """Adapters over the configured store and systems. ``url``: where this process listens, for its own commands.

    Raises ConfigError when another process owns the SQLite file, RetryLaterError when PostgreSQL does not answer.
    """
    with lock_database(settings.database_url, url):
        database = wrap(open_database(settings.database_url))
        adapters = build_adapters(settings, database)
        try:
            if not is_shared(settings.database_url):  # ours alone: what a killed process had claimed is free at once
                for table in (events, outbox, leases):
                    await database.write(table.expire_leases, adapters.now())
            yield adapters
        finally:
            for upstream in adapters.upstreams.values():
                await upstream.close()
            for notifier in adapters.notifiers.values():
                await notifier.close()
            await database.close()


def build_adapters(settings: Settings, database: Database) -> Adapters:
    """Everything the verbs need, from settings that were checked."""
    rules = rules_of(settings)
    metrics = Metrics()
    adapters = Adapters(
        database=database,
        rules=rules,
        translator=Translator(),
        metrics=metrics,
        upstreams={(u.source, u.account): u for u in _upstreams(settings, rules.people, metrics)},
        verifies=dict(_verifies(settings)),
        now=database.now,
    )
    notifiers: dict[str, Notifier] = {}
    if settings.slack:
        client = _slack_client(settings.slack)
        notifiers["slack"] = SlackNotifier(client, adapters.translator)
        adapters.clicks, adapters.surfaces = _listeners(settings, settings.slack, client, adapters)
    if settings.email:
        notifiers["mail"] = _mail(settings, adapters.translator)
    adapters.notifiers = notifiers
    return adapters


def systems_of(settings: Settings) -> dict[str, Upstream | Notifier]:
    """Every outside system by name, without a store: for ``casebell doctor``."""
    systems: dict[str, Upstream | Notifier] = {
        f"{u.source}:{u.account}": u for u in _upstreams(settings, people_of(settings.people), Metrics())
    }
    if settings.slack:
        systems["slack"] = SlackNotifier(_slack_client(settings.slack), Translator())
    if settings.email:
        systems["mail"] = _mail(settings, Translator())
    return systems


def cure_of(channel: str, code: str) -> str:
    """What to do about an error of "slack" or "mail", for ``casebell doctor``."""
    return slack_codes.cure_for(code) if channel == "slack" else mail_notifier.CURES.get(code, "")


def slack_challenge(settings: Settings, word: str, now: datetime) -> tuple[bytes, dict[str, str]] | None:
    """What Slack would ask our address, for ``casebell doctor``; None without [slack]."""
    if settings.slack is None:
        return None
    return slack_signature.url_verification_request(settings.slack.signing_secrets[0].get_secret_value(), word, now)


def render_slack(notice: Notice, reminder: Reminder | None = None) -> tuple[str, list[dict[str, Any]]]:
    """Text and blocks of a Slack message, or of the ``reminder`` below it, for ``casebell preview``."""
    if reminder:
        return Translator().format_reminder(notice, reminder), []
    message = slack_render.render(notice, Translator().story(notice), Translator().say)
    return message.text, message.blocks


def render_mail(notice: Notice, reminder: Reminder | None = None) -> EmailMessage:
    """An alert, or the ``reminder`` that follows it, for ``casebell preview``."""
    sentence = Translator().format_reminder(notice, reminder) if reminder else ""
    return email_render.render(notice, Translator().story(notice), Translator().say, *PREVIEWED, reminder=sentence)


def render_mail_digest(edition: Edition) -> EmailMessage:
    """A digest, for ``casebell preview`` and ``casebell digest``."""
    return email_digest.render_digest(edition, Translator().say, *PREVIEWED)


def render_slack_digest(edition: Edition) -> tuple[str, list[dict[str, Any]]]:
    """Text and blocks of a digest in Slack, for ``casebell preview``."""
    message = slack_digest.render_digest(edition)
    return message.text, message.blocks


def describe_slack_app(public_url: str, surfaces: Collection[str] = ()) -> dict[str, Any]:
    """The app's manifest, for ``casebell slack manifest``."""
    return slack_manifest.manifest(public_url, surfaces)


async def serve(
    settings: Settings, host: str, port: int, *, wrap: Wrap = _as_is, extra_routes: Sequence[BaseRoute] = ()
) -> None:
    """The service until SIGTERM or SIGINT: web and loops in one process; prints a line once it listens.

    ``wrap`` and ``extra_routes``: a database that fails on purpose, routes to compare with; for tests and the bench.
    Raises ConfigError when the address cannot be listened on, before anything else is touched.
    """
    stop = asyncio.Event()
    log_unhandled_errors(asyncio.get_running_loop())
    with closing(listen(host, port)) as listening:
        url = url_of(listening)
        async with open_adapters(settings, url=url, wrap=wrap) as adapters:
            prepare_interpreter()
            refused = adapters.metrics.connections_refused_total
            server = Server(build_app(adapters, extra_routes), ConnectionLimits(lambda why: refused.labels(why).inc()))
            with stop_on_signals(stop):
                web = asyncio.create_task(server.serve([listening]))
                loops = asyncio.create_task(worker.run(adapters, stop, grace_s=settings.drain_grace.total_seconds()))
                announcing = asyncio.create_task(_announce(server, url))
                await asyncio.wait({web, loops}, return_when=asyncio.FIRST_COMPLETED)
                announcing.cancel()
                stop.set()
                try:
                    await loops  # deliveries end before the web server stops, so that a page can show their result
                finally:
                    server.should_exit = True
                    await web


def prepare_interpreter() -> None:
    """Shorten two pauses of the interpreter that delay webhooks (docs/decisions/0008)."""
    gc.collect()
    gc.freeze()  # imported objects live as long as the process: a full collection skips them and saves 60 ms
    sys.setswitchinterval(SWITCH_S)  # the writer thread waits this long for its turn after each call into SQLite


async def _announce(server: Server, url: str) -> None:
    while not server.started:  # noqa: ASYNC110 - uvicorn has a flag, no event
        await asyncio.sleep(0.02)
    log.info("service.listening", url=url)
    print(READY_LINE.format(url=url), flush=True)  # noqa: T201 - people and scripts wait for this line


def _upstreams(settings: Settings, people: People, metrics: Metrics) -> Iterator[Upstream]:
    for getbill in settings.getbill:
        client = Getbill(
            getbill.name,
            getbill.base_url,
            api_token=getbill.api_token.get_secret_value() if getbill.api_token else None,
            token_url=getbill.token_url,
            client_id=getbill.client_id,
            client_secret=getbill.client_secret.get_secret_value() if getbill.client_secret else None,
            poll_every_s=getbill.poll_every.total_seconds(),
            reads_per_hour=getbill.reads_per_hour,
            writes_per_hour=getbill.writes_per_hour,
            todo_url=getbill.todo_url,
            plan_status_id=getbill.plan_status_id,
            media_hosts=getbill.media_hosts,
            observe=_count_requests(metrics, "getbill"),
        )
        for kind in (READ, WRITE):
            left = metrics.upstream_budget_remaining.labels("getbill", getbill.name, kind)
            left.set_function(partial(client.budget.remaining, kind))
        yield client
    for debitura in settings.debitura:
        yield Debitura(
            debitura.name,
            debitura.base_url,
            debitura.api_key.get_secret_value(),
            poll_every_s=debitura.poll_every.total_seconds(),
            people=people,
            reply_as=debitura.reply_as,
            solution_hosts=debitura.solution_hosts,
            case_url=debitura.case_url,
            observe=_count_requests(metrics, "debitura"),
        )


def _count_requests(metrics: Metrics, source: str) -> OnReply:
    def count(operation: str, status: str, _headers: Mapping[str, str]) -> None:
        metrics.upstream_requests_total.labels(source, operation, status).inc()

    return count


def _verifies(settings: Settings) -> Iterator[tuple[tuple[str, str], Verify]]:
    for getbill in settings.getbill:
        secrets = [secret.get_secret_value() for secret in getbill.webhook_secrets]
        yield ("getbill", getbill.name), getbill_inbound.make_verify(secrets)
    for debitura in settings.debitura:
        secrets = [secret.get_secret_value() for secret in debitura.webhook_secrets]
        yield ("debitura", debitura.name), debitura_inbound.make_verify(secrets)


def _slack_client(slack: sections.Slack) -> SlackClient:
    return SlackClient(slack.base_url, slack.bot_token.get_secret_value())


def _listeners(
    settings: Settings, slack: sections.Slack, client: SlackClient, adapters: Adapters
) -> tuple[Clicks, Surfaces]:
    return slack_app.build_receivers(
        [secret.get_secret_value() for secret in slack.signing_secrets],
        client=client,
        translator=adapters.translator,
        now=adapters.now,
        queries=StoreQueries(adapters),
        public_url=adapters.rules.public_url,
        locale_at=lambda destination: first_route_at(destination, adapters.rules.routes).locale,
        team_ids=tuple(filter(None, [slack.team_id])),
        app_ids=tuple(filter(None, [slack.app_id])),
        templates=[ReplyTemplate(one.name, one.text, one.locale) for one in settings.reply_templates],
    )


def _mail(settings: Settings, translator: ports.Translator) -> MailNotifier:
    assert settings.email is not None
    password = settings.email.password.get_secret_value() if settings.email.password else None
    host = urlsplit(settings.public_url).hostname or parseaddr(settings.email.sender)[1].rpartition("@")[2]
    client = SmtpClient(settings.email.smtp_url, password, on_stop=_mail_stopped)
    return MailNotifier(client, translator, sender=settings.email.sender, host=host)


def _mail_stopped(error: DeliveryError | None) -> None:
    """Once when the mail server stops to let us in, once when it lets us in again."""
    if error is None:
        log.warning("mail.queue.goes_on")
    else:
        log.error("mail.queue.stopped", reason=error.code, about=error.message, cure="casebell doctor")
