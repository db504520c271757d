"""What Slack sends us, put together for ``receiver/app.py``: presses and forms, and the optional places."""

from collections.abc import Callable, Collection, Sequence
from datetime import datetime

from notifiers.slack.client import SlackClient
from notifiers.slack.inbound import LocaleAt, SlackClicks
from notifiers.slack.surfaces import SlackSurfaces
from receiver.domain.reply_template import ReplyTemplate
from receiver.ports import Queries, Translator


def listeners(
    signing_secrets: Collection[str],
    *,
    client: SlackClient,
    translator: Translator,
    now: Callable[[], datetime],
    board: Queries,
    public_url: str,
    locale_at: LocaleAt,
    team_ids: Collection[str] = (),
    app_ids: Collection[str] = (),
    templates: Sequence[ReplyTemplate] = (),
) -> tuple[SlackClicks, SlackSurfaces]:
    """``locale_at``: the language of a place such as "slack:C1"."""
    clicks = SlackClicks(
        signing_secrets,
        client=client,
        notice_for=board.notice,
        locale_at=locale_at,
        translator=translator,
        now=now,
        team_ids=team_ids,
        app_ids=app_ids,
        templates=templates,
    )
    places = SlackSurfaces(
        signing_secrets,
        client=client,
        board=board,
        translator=translator,
        people_of=clicks.who,
        open_form=clicks.ask_for_words,
        public_url=public_url,
        locale_at=locale_at,
        team_ids=team_ids,
        app_ids=app_ids,
    )
    return clicks, places
