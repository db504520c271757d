"""Renders the alerts that quiet hours grouped as one mail; each alert has its own link. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from email.message import EmailMessage
from functools import partial

from notifiers.email import render as single
from notifiers.email.headers import POLICY
from notifiers.i18n.formats import Formats, zone_of
from notifiers.i18n.translator import Translator, language_of
from notifiers.story.amounts import format_at_risk
from notifiers.story.ranking import format_quiet_hours_count, rank
from notifiers.text import cut, one_line
from receiver.domain.notice import Notice, Story
from receiver.domain.totals import sum_items

MAX_ALERTS = (100, 50, 25, 12, 6)  # tried in this order until the mail fits; the rest is counted
MAX_SENTENCE = 300


@dataclass(frozen=True, slots=True)
class Alert:
    mark: str
    headline: str
    sentence: str
    url: str | None
    label: str


def render(
    stories: Sequence[tuple[Notice, Story]], translate: single.Translate, sender: str, address: str, host: str
) -> EmailMessage:
    """One mail for notices of one route. ``host`` is this service's own. Raises ValueError for a bad address."""
    first = stories[0][0]
    gettext = partial(translate, first.route.locale)
    route = first.route
    formats = Formats(Translator(), language_of(route.locale), zone_of(route.timezone), first.now)
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
    text = html = ""
    for max_alerts in MAX_ALERTS:
        left = len(ranked[max_alerts:])
        context["alerts"] = [_build_alert(notice, story, gettext, host) for notice, story in ranked[:max_alerts]]
        context["more"] = formats.ngettext("and {n} more", "and {n} more", left) if left else ""
        text, html = single.render_bodies("grouped", context)
        if len(html.encode()) <= single.MAX_HTML:
            break
    mail = EmailMessage(policy=POLICY)
    mail["Subject"] = cut(title, single.MAX_SUBJECT)
    own_id = single.message_id([*(notice.item.id for notice, _ in stories), address.lower(), "grouped"], sender)
    single.set_common_headers(mail, first, sender, address, host, {"Message-ID": own_id})
    mail.set_content(text, cte="quoted-printable")
    mail.add_alternative(html, subtype="html", cte="quoted-printable")
    return mail


def _build_alert(notice: Notice, story: Story, gettext: partial[str], host: str) -> Alert:
    url = single.find_link(notice.links, "decide", host)
    label = gettext("Review and decide")
    if url is None:
        url = single.find_link(notice.links, "solution", host)
        label = gettext("Open in {source}", source=notice.item.snapshot.source.capitalize())
    return Alert(
        mark=single.state_label(notice.item, gettext),
        headline=cut(one_line(story.headline), single.MAX_SUBJECT),
        sentence=cut(one_line(story.sentence), MAX_SENTENCE),
        url=url,
        label=label,
    )
