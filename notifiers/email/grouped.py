"""Renders the alerts that quiet hours grouped as one mail; each alert has its own link. Pure."""

from collections.abc import Sequence
from email.message import EmailMessage
from functools import partial

from notifiers.email import render as single
from notifiers.i18n.formats import Say
from notifiers.i18n.translator import formats_for
from notifiers.story.amounts import format_at_risk
from notifiers.story.ranking import format_quiet_hours_count, rank
from notifiers.text import cut, one_line
from receiver.domain.notice import Notice, Story
from receiver.domain.totals import sum_items

MAX_ALERTS = (100, 50, 25, 12, 6)  # tried in this order until the mail fits; the rest is counted
MAX_SENTENCE = 300


def render(
    stories: Sequence[tuple[Notice, Story]], translate: Say, sender: str, address: str, host: str
) -> EmailMessage:
    """One mail for notices of one route. ``host`` is this service's own. Raises ValueError for a bad address."""
    first = stories[0][0]
    gettext = partial(translate, first.route.locale)
    route = first.route
    formats = formats_for(route.locale, route.timezone, first.now)
    title = format_quiet_hours_count(len(stories), formats)
    ranked = sorted(stories, key=lambda story: rank(story[0].item))
    context = {
        "_": gettext,
        "locale": route.locale,
        "tone": ranked[0][0].item.snapshot.urgency,
        "title": title,
        "totals": format_at_risk(sum_items((notice.item for notice, _ in stories), first.now), formats),
        "preheader": cut(one_line(ranked[0][1].sentence), single.MAX_PREHEADER),
        "maybe_duplicate": first.maybe_duplicate,
        "inbox_url": single.find_link(first.links, "inbox", host),
        "address": address,
        "route": route.name,
    }

    def list_alerts(max_alerts: int) -> dict[str, object]:
        left = len(ranked[max_alerts:])
        more = formats.ngettext("and {n} more", "and {n} more", left) if left else ""
        return {"alerts": [_build_alert(*entry, gettext, host) for entry in ranked[:max_alerts]], "more": more}

    own_id = single.message_id([*(notice.item.id for notice, _ in stories), address.lower(), "grouped"], sender)
    to, list_id = single.parse_address(address), f"{single.slug(route.name)}.{single.slug(host)}"
    mail = single.build_mail(cut(title, single.MAX_SUBJECT), sender, to, first.now, list_id, {"Message-ID": own_id})
    contexts = (context | list_alerts(max_alerts) for max_alerts in MAX_ALERTS)
    return single.set_bodies(mail, single.render_bodies("grouped", contexts))


def _build_alert(notice: Notice, story: Story, gettext: partial[str], host: str) -> dict[str, str | None]:
    url = single.find_link(notice.links, "decide", host)
    label = gettext("Review and decide")
    if url is None:
        url = single.find_link(notice.links, "solution", host)
        label = gettext("Open in {source}", source=notice.item.snapshot.source.capitalize())
    return {
        "mark": single.state_label(notice.item, gettext),
        "headline": cut(one_line(story.headline), single.MAX_SUBJECT),
        "sentence": cut(one_line(story.sentence), MAX_SENTENCE),
        "url": url,
        "label": label,
    }
