"""Renders the sandbox's pages: templates with autoescaping, and headers with a strict content security policy."""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from jinja2 import Environment, FileSystemLoader
from starlette.responses import HTMLResponse

from casebell_sandbox import slack_text

HERE = Path(__file__).parent
OFFICE = ZoneInfo("Europe/Paris")  # the demo's routes use it too, so that messages and pages show the same time
# Forms may lead to any host, because a button with a URL is a form. Only mails are framed.
POLICY = (
    "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; img-src 'self' data: http: https:; "
    "frame-src 'self'; form-action 'self' http: https:; base-uri 'none'; frame-ancestors 'none'"
)
HEADERS: Mapping[str, str] = {
    "Content-Security-Policy": POLICY,
    "Cache-Control": "no-store",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}


def clock_time(at: datetime | float | str) -> str:
    """Hour and minute in OFFICE, of an instant, Unix seconds, or a Slack ts."""
    instant = at if isinstance(at, datetime) else datetime.fromtimestamp(float(at), UTC)
    return f"{instant.astimezone(OFFICE):%H:%M}"


def _environment() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(HERE / "templates"), autoescape=True, trim_blocks=True, lstrip_blocks=True
    )
    filters: dict[str, Callable[..., Any]] = {
        "mrkdwn": slack_text.mrkdwn,
        "emoji": slack_text.emoji,
        "span": slack_text.span,
        "clock_time": clock_time,
    }
    environment.filters.update(filters)
    return environment


_ENVIRONMENT = _environment()


def page(template: str, status: int = 200, **values: Any) -> HTMLResponse:
    return HTMLResponse(_ENVIRONMENT.get_template(template).render(**values), status, HEADERS)
