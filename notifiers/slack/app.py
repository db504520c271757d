"""Builds the receivers of Slack's requests for ``receiver/app.py``: interactions, and the optional surfaces."""

from collections.abc import Callable, Collection, Sequence
from datetime import datetime

from notifiers.slack.client import SlackClient
from notifiers.slack.inbound import LocaleAt, SlackClicks
from notifiers.slack.surfaces import SlackSurfaces
from receiver.domain.reply_template import ReplyTemplate
from receiver.ports import Queries, Translator


def build_receivers(
    signing_secrets: Collection[str],
    *,
    client: SlackClient,
    translator: Translator,
    now: Callable[[], datetime],
    queries: Queries,
    public_url: str,
    locale_at: LocaleAt,
    team_ids: Collection[str] = (),
    app_ids: Collection[str] = (),
    templates: Sequence[ReplyTemplate] = (),
) -> tuple[SlackClicks, SlackSurfaces]:
    """Both receivers; ``locale_at``: the language of a destination such as "slack:C1"."""
    clicks = SlackClicks(
        signing_secrets,
        client=client,
        notice_for=queries.find_notice,
        locale_at=locale_at,
        translator=translator,
        now=now,
        team_ids=team_ids,
        app_ids=app_ids,
        templates=templates,
    )
    return clicks, SlackSurfaces(clicks, queries, public_url)
