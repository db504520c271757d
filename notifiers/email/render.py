"""Step 6 for mail: a notice becomes one message for one address, a pure function of what it is given.

It may not ask for the time, the network or the database. A mail cannot be redrawn, so it says how things stood when it
was sent, and its button leads to a page that says how they stand now.
"""

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from email.errors import HeaderParseError
from email.headerregistry import Address
from email.message import EmailMessage
from email.utils import format_datetime
from functools import partial
from pathlib import Path
from typing import Protocol
from urllib.parse import urlsplit

import css_inline
import jinja2

from notifiers.email.headers import POLICY
from notifiers.story.sentences import file_name
from notifiers.text import clean, cut, one_line
from receiver.domain.action import DECIDING
from receiver.domain.item import Item
from receiver.domain.notice import Link, Notice, Story, announcement_of, is_alarm

MAX_HTML = 80_000  # bytes: Gmail hides what follows 102 kB (contract B1)
MAX_SUBJECT = 150
MAX_FACTS, MAX_LABEL, MAX_VALUE = 40, 80, 400
MAX_BODY = 4_000
MAX_LINES, MAX_LINE = 10, 1_500
MAX_FILES = 10
MAX_URL = 2_000

_FOLDER = Path(__file__).parent / "templates"

PAGES = jinja2.Environment(
    loader=jinja2.FileSystemLoader(_FOLDER),
    autoescape=jinja2.select_autoescape(["html"]),
    undefined=jinja2.StrictUndefined,
    trim_blocks=True,
    keep_trailing_newline=True,
)
INLINER = css_inline.CSSInliner(
    load_remote_stylesheets=False, keep_at_rules=True, remove_inlined_selectors=True
)  # at-rules stay for the clients that know dark mode; the others keep the inlined colours
_URL = re.compile(r"https?://[^\s<>\"|\\^`{}\x00-\x20\x7f-\U0010ffff]+", re.ASCII)
_SPEC = r"[^\s@,;:<>()\[\]\"\\\x00-\x20\x7f-\U0010ffff]+@[^\s@,;:<>()\[\]\"\\]+"
_ADDRESS = re.compile(rf"(?P<bare>{_SPEC})|(?P<name>[^<>]*)<(?P<spec>{_SPEC})>")
_MARKS = {"blocking": "Blocking", "review": "To review", "info": "For information"}


class Say(Protocol):
    """``ports.Translator.say``."""

    def __call__(self, locale: str, message: str, **values: object) -> str: ...


@dataclass(frozen=True, slots=True)
class Told:
    """A story cut to what a mail has room for."""

    headline: str
    preheader: str
    status: str
    problem: str
    asked: str
    quote: str
    facts: list[tuple[str, str]]
    conversation: list[tuple[str, str, str]]
    earlier: int
    footer: str


def render(
    notice: Notice,
    story: Story,
    say: Say,
    sender: str,
    address: str,
    host: str,
    *,
    shown_state: str | None = None,
    nudge: str = "",
) -> EmailMessage:
    """The mail for ``address``. Raises ValueError when that, or ``sender``, is no mail address.

    ``host`` is this service's own. ``shown_state`` is what the address was told before, ``nudge`` a word about it now.
    The headline is the same whatever happens to the item, because Gmail keeps mails together only under one subject
    (contract B1).
    """
    mail = EmailMessage(policy=POLICY)
    what = "nudge" if nudge else what_of(notice.item, shown_state)
    _address_it(mail, notice, story.headline, sender, address, host, what)
    status = "\n\n".join(filter(None, (nudge, story.proposal, story.status)))
    told = replace(story, status=status or None)
    text, html = _bodies(notice, told, partial(say, notice.route.locale), address, host)
    # ASCII on the wire: no server is asked for 8BITMIME, and none may break a long line or a signature
    mail.set_content(text, cte="quoted-printable")
    mail.add_alternative(html, subtype="html", cte="quoted-printable")
    return mail


def root_id(item: Item, address: str, sender: str) -> str:
    """The Message-ID all mails about an item to an address refer to; no mail need ever have had it (contract B1)."""
    return message_id([item.id, address.lower()], sender)


def what_of(item: Item, shown_state: str | None) -> str:
    """What the mail tells: opened, resolved, reopened or rang. A new attempt at the same telling is the same word."""
    if item.state == "resolved":
        return f"resolved.{item.version}"
    if is_alarm(shown_state, item):
        return f"rang.{item.version}"
    if item.proposal and shown_state is not None:
        return announcement_of(item)
    return "opened" if shown_state is None else f"reopened.{item.version}"


def address_of(text: str) -> Address:
    """One address, its domain in ASCII. Raises ValueError for anything that is not exactly one."""
    parts = _ADDRESS.fullmatch(text.strip())
    if parts is None or one_line(text) != text.strip():
        raise ValueError("this is no mail address")
    local, _, domain = (parts["bare"] or parts["spec"]).rpartition("@")
    try:
        return Address(one_line(parts["name"] or "").strip('"'), local, domain.encode("idna").decode("ascii"))
    except (HeaderParseError, IndexError, ValueError):  # two dots in a row, or a domain that no name server knows
        raise ValueError("this is no mail address") from None


def _address_it(
    mail: EmailMessage, notice: Notice, headline: str, sender: str, address: str, host: str, what: str
) -> None:
    root = root_id(notice.item, address, sender)
    subject = cut(one_line(headline), MAX_SUBJECT) or notice.item.kind
    mail["Subject"] = subject if what == "opened" else f"Re: {subject}"
    own = message_id([notice.item.id, address.lower(), what, notice.occasion], sender)
    envelope(mail, notice, sender, address, host, {"Message-ID": own, "In-Reply-To": root, "References": root})


def envelope(mail: EmailMessage, notice: Notice, sender: str, address: str, host: str, ids: Mapping[str, str]) -> None:
    """What every mail of a route says before its subject; ``ids``: header to Message-ID."""
    mail["From"] = address_of(sender)
    mail["To"] = address_of(address)
    mail["Date"] = format_datetime(notice.now)
    for name, value in ids.items():
        mail[name] = value
    mail["Auto-Submitted"] = "auto-generated"  # RFC 3834: no answering machine answers
    mail["X-Auto-Response-Suppress"] = "OOF, AutoReply"
    mail["List-Id"] = f"<{slug(notice.route.name)}.{slug(host)}>"


def drawn(template: str, context: Mapping[str, object]) -> tuple[str, str]:
    """Text and HTML from a pair of templates."""
    text = PAGES.get_template(f"{template}.txt").render(context)
    return text, INLINER.inline(PAGES.get_template(f"{template}.html").render(context))


def _bodies(notice: Notice, story: Story, words: partial[str], address: str, host: str) -> tuple[str, str]:
    """Text and HTML; whoever wrote too much loses the ends of it, never the button."""
    item = notice.item
    context = {
        "_": words,
        "kind": item.kind,
        "locale": notice.route.locale,
        "tone": item.snapshot.urgency if item.state == "open" else item.state,
        "mark": mark_of(item, words),
        "address": address,
        "route": notice.route.name,
        "maybe_duplicate": notice.maybe_duplicate,
        "source": item.snapshot.source.capitalize(),
        **_links(notice, words, host),
    }
    told, html = _drawn(story, context, 1.0)
    for share in (0.4, 0.15, 0.05):
        if len(html.encode()) <= MAX_HTML:
            break
        told, html = _drawn(story, context, share)
    return PAGES.get_template("alert.txt").render(context, told=told), html


def _drawn(story: Story, context: Mapping[str, object], share: float) -> tuple[Told, str]:
    told = _told(story, str(context["kind"]), share)
    page = PAGES.get_template("alert.html").render(context, told=told)
    return told, INLINER.inline(page)


def _told(story: Story, kind: str, share: float) -> Told:
    """The story within a ``share`` of the usual room."""

    def room(most: int) -> int:
        return max(int(most * share), 20)

    lines = [line for line in story.conversation if clean(line[2])]
    kept = lines[-MAX_LINES if share >= 1 else -3 :]
    status = cut(clean(story.status or ""), room(1_000))
    return Told(
        headline=cut(one_line(story.headline), MAX_SUBJECT) or kind,
        preheader=cut(one_line(story.problem or "") or status or one_line(story.sentence), 200),
        status=status,
        problem=cut(clean(story.problem or ""), room(1_000)),
        asked=cut(clean(story.asked or ""), room(MAX_BODY)),
        quote=cut(clean(story.quote or ""), room(MAX_BODY)),
        facts=[
            (cut(one_line(label), MAX_LABEL), cut(clean(value), room(MAX_VALUE)))
            for label, value in story.facts[:MAX_FACTS]
        ],
        conversation=[
            (cut(one_line(who), 80) or "–", cut(one_line(when), 60), cut(clean(text), room(MAX_LINE)))
            for who, when, text in kept
        ],
        earlier=len(lines) - len(kept),
        footer=cut(one_line(story.footer), 300),
    )


def _links(notice: Notice, words: partial[str], host: str) -> dict[str, object]:
    """Where the mail leads to; what only the source can do has its button there."""
    is_open = notice.item.state == "open"
    is_elsewhere = is_open and not DECIDING & set(notice.verbs) and not notice.item.proposal
    decide, solution, page = (first_link(notice.links, what, host) for what in ("decide", "solution", "item"))
    again = decide if "reopen" in notice.verbs else None
    media = [link for link in notice.links if link.what == "media" and is_openable(link.url, host)][:MAX_FILES]
    decide = decide if is_open else None
    return {
        "main": solution if is_elsewhere and solution else decide,
        "main_label": (
            words("Open in {source}", source=notice.item.snapshot.source.capitalize())
            if is_elsewhere and solution
            else words("Review and decide")
        ),
        "decide": decide,
        "again": again,
        "solution": solution,
        "twins": [
            (words("Open in {source}", source=cut(one_line(link.name or ""), 40).capitalize() or "?"), link.url)
            for link in notice.links
            if link.what == "twin" and is_openable(link.url, host)
        ],
        "page": page,
        "files": [(cut(one_line(file_name(link.name, words)), 100), link.url) for link in media],
    }


def first_link(links: tuple[Link, ...], what: str, host: str) -> str | None:
    """Where such a link leads, if a mail may lead there."""
    return next((link.url for link in links if link.what == what and is_openable(link.url, host)), None)


def is_openable(url: str, host: str) -> bool:
    """https anywhere; http only on this machine or this service's own host, which is how the sandbox is reached."""
    if len(url) > MAX_URL or not _URL.fullmatch(url):
        return False
    try:
        parts = urlsplit(url)
        return parts.scheme == "https" or parts.hostname in {host, "localhost", "127.0.0.1"}
    except ValueError:  # half an IPv6 address
        return False


def mark_of(item: Item, words: partial[str]) -> str:
    """State and urgency in a word or two."""
    if item.proposal:
        return words("Needs a second person")
    if item.state == "open":
        return words(_MARKS.get(item.snapshot.urgency, "To review"))
    return words("Resolved") if item.state == "resolved" else words("Being carried out")


def message_id(parts: list[str], sender: str) -> str:
    digest = hashlib.blake2b("\n".join(parts).encode("utf-8", "replace"), digest_size=10).hexdigest()
    return f"<{digest}@{address_of(sender).domain}>"


def slug(text: str) -> str:
    return re.sub(r"[^a-z0-9.-]+", "-", text.lower()).strip(".-") or "casebell"
