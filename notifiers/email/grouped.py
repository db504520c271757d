"""Step 6 for mail at the end of quiet hours: one mail for all that was held back, each with its own link. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from email.message import EmailMessage
from functools import partial

from notifiers.email import render as one
from notifiers.email.headers import POLICY
from notifiers.i18n.formats import Formats, zone_of
from notifiers.i18n.translator import Translator, language_of
from notifiers.story.amounts import at_risk
from notifiers.story.ranking import counted, rank
from notifiers.text import cut, one_line
from receiver.domain.notice import Notice, Story
from receiver.domain.totals import add_up

LISTED = (100, 50, 25, 12, 6)  # until it fits; the rest is counted and stands in the inbox
MAX_SENTENCE = 300


@dataclass(frozen=True, slots=True)
class Alert:
    mark: str
    headline: str
    sentence: str
    url: str | None
    label: str


def render(told: Sequence[tuple[Notice, Story]], say: one.Say, sender: str, address: str, host: str) -> EmailMessage:
    """The mail for several notices of one route. Raises ValueError for a bad address."""
    first = told[0][0]
    words = partial(say, first.route.locale)
    route = first.route
    voice = Formats(Translator(), language_of(route.locale), zone_of(route.timezone), first.now)
    title = counted(len(told), voice)
    worst = sorted(told, key=lambda one: rank(one[0].item))
    context = {
        "_": words,
        "locale": route.locale,
        "tone": worst[0][0].item.snapshot.urgency,
        "title": title,
        "totals": at_risk(add_up((notice.item for notice, _ in told), first.now), voice),
        "preheader": cut(one_line(worst[0][1].sentence), 200),
        "maybe_duplicate": first.maybe_duplicate,
        "inbox_url": one.first_link(first.links, "inbox", host),
        "address": address,
        "route": route.name,
    }
    text = html = ""
    for most in LISTED:
        left = len(worst[most:])
        context["alerts"] = [_alert(notice, story, words, host) for notice, story in worst[:most]]
        context["more"] = voice.numbered("and {n} more", "and {n} more", left) if left else ""
        text, html = one.drawn("gathered", context)
        if len(html.encode()) <= one.MAX_HTML:
            break
    mail = EmailMessage(policy=POLICY)
    mail["Subject"] = cut(title, one.MAX_SUBJECT)
    own = one.message_id([*(notice.item.id for notice, _ in told), address.lower(), "gathered"], sender)
    one.envelope(mail, first, sender, address, host, {"Message-ID": own})
    mail.set_content(text, cte="quoted-printable")
    mail.add_alternative(html, subtype="html", cte="quoted-printable")
    return mail


def _alert(notice: Notice, story: Story, words: partial[str], host: str) -> Alert:
    url = one.first_link(notice.links, "decide", host)
    label = words("Review and decide")
    if url is None:
        url = one.first_link(notice.links, "solution", host)
        label = words("Open in {source}", source=notice.item.snapshot.source.capitalize())
    return Alert(
        mark=one.mark_of(notice.item, words),
        headline=cut(one_line(story.headline), one.MAX_SUBJECT),
        sentence=cut(one_line(story.sentence), MAX_SENTENCE),
        url=url,
        label=label,
    )
