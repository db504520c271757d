"""How the sandbox's pages are made: templates that escape everything, and headers that let nothing else in."""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from jinja2 import Environment, FileSystemLoader
from starlette.responses import HTMLResponse

from casebell_sandbox import slack_text

HERE = Path(__file__).parent
OFFICE = ZoneInfo("Europe/Paris")  # of the demo's routes too: a message and the page around it show one clock
# A button that leads elsewhere is a form too, so forms may go anywhere; frames hold mails only.
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
    """Hour and minute at the office; of an instant, of Unix seconds, or of a Slack ts."""
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


def page(template: str, status: int = 200, **shown: Any) -> HTMLResponse:
    return HTMLResponse(_ENVIRONMENT.get_template(template).render(**shown), status, HEADERS)
