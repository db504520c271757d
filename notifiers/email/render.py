"""Renders an alert as one mail for one address: a pure function of its arguments.

It reads no clock, network or database. A mail cannot be updated, so it shows the item as of its sending, and its button
leads to a page that shows the item as it is now.
"""

import hashlib
import re
from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import datetime
from email.errors import HeaderParseError
from email.headerregistry import Address
from email.message import EmailMessage
from email.utils import format_datetime
from functools import partial
from pathlib import Path
from urllib.parse import urlsplit

import css_inline
import jinja2

from notifiers.email.headers import POLICY
from notifiers.i18n.formats import Say
from notifiers.story.sentences import file_name
from notifiers.text import clean, cut, one_line
from receiver.domain.action import DECIDING_VERBS
from receiver.domain.item import Item
from receiver.domain.notice import Link, Notice, Story, announcement_of, needs_new_post

MAX_HTML = 80_000  # bytes; Gmail cuts at 102 kB: docs/vendors/mail.md#size
MAX_SUBJECT = 150
MAX_PREHEADER = 200
MAX_FACTS, MAX_LABEL, MAX_VALUE = 40, 80, 400
MAX_BODY = 4_000
MAX_STATUS = 1_000
MAX_LINES, MAX_LINE = 10, 1_500
MAX_LINES_WHEN_CUT = 3
MIN_TEXT = 20
MAX_FILES = 10
MAX_URL = 2_000
SHARES = (1.0, 0.4, 0.15, 0.05)  # of the usual length of each text, tried in this order until the mail fits

_FOLDER = Path(__file__).parent / "templates"

TEMPLATES = jinja2.Environment(
    loader=jinja2.FileSystemLoader(_FOLDER),
    autoescape=jinja2.select_autoescape(["html"]),
    undefined=jinja2.StrictUndefined,
    trim_blocks=True,
    keep_trailing_newline=True,
)
INLINER = css_inline.CSSInliner(
    load_remote_stylesheets=False, keep_at_rules=True, remove_inlined_selectors=True
)  # at-rules stay for mail programs with a dark mode; the others use the inlined colours
_URL = re.compile(r"https?://[^\s<>\"|\\^`{}\x00-\x20\x7f-\U0010ffff]+", re.ASCII)
_SPEC = r"[^\s@,;:<>()\[\]\"\\\x00-\x20\x7f-\U0010ffff]+@[^\s@,;:<>()\[\]\"\\]+"
_ADDRESS = re.compile(rf"(?P<bare>{_SPEC})|(?P<name>[^<>]*)<(?P<spec>{_SPEC})>")
_MARKS = {"blocking": "Blocking", "review": "To review", "info": "For information"}


def render(
    notice: Notice,
    story: Story,
    translate: Say,
    sender: str,
    address: str,
    host: str,
    *,
    shown_state: str | None = None,
    reminder: str = "",
) -> EmailMessage:
    """The mail for ``address``. Raises ValueError when ``address`` or ``sender`` is no mail address.

    ``host`` is this service's own. ``shown_state`` is the state in the previous mail to this address, None without
    one. ``reminder`` is the sentence of a reminder. The subject never changes, because Gmail groups a conversation
    by it: docs/vendors/mail.md#conversations
    """
    change = "reminder" if reminder else change_of(notice.item, shown_state)
    subject = cut(one_line(story.headline), MAX_SUBJECT) or notice.item.kind
    root = root_id(notice.item, address, sender)
    own_id = message_id([notice.item.id, address.lower(), change, notice.occasion], sender)
    ids = {"Message-ID": own_id, "In-Reply-To": root, "References": root}
    list_id = f"{slug(notice.route.name)}.{slug(host)}"
    subject = subject if change == "opened" else f"Re: {subject}"
    mail = build_mail(subject, sender, parse_address(address), notice.now, list_id, ids)
    status = "\n\n".join(filter(None, (reminder, story.proposal, story.status)))
    story = replace(story, status=status or None)
    return set_bodies(mail, _render_alert(notice, story, partial(translate, notice.route.locale), address, host))


def root_id(item: Item, address: str, sender: str) -> str:
    """The Message-ID to which all mails about an item refer; no mail has it: docs/vendors/mail.md#conversations"""
    return message_id([item.id, address.lower()], sender)


def change_of(item: Item, shown_state: str | None) -> str:
    """The change that the mail reports, part of its Message-ID: the same for every try of one mail."""
    if item.state == "resolved":
        return f"resolved.{item.version}"
    if needs_new_post(shown_state, item):
        return f"still_open.{item.version}"
    if item.proposal and shown_state is not None:
        return announcement_of(item)
    return "opened" if shown_state is None else f"reopened.{item.version}"


def parse_address(text: str) -> Address:
    """One address with its domain in ASCII. Raises ValueError for anything but exactly one address."""
    parts = _ADDRESS.fullmatch(text.strip())
    if parts is None or one_line(text) != text.strip():
        raise ValueError("this is no mail address")
    local, _, domain = (parts["bare"] or parts["spec"]).rpartition("@")
    try:
        return Address(one_line(parts["name"] or "").strip('"'), local, domain.encode("idna").decode("ascii"))
    except (HeaderParseError, IndexError, ValueError):  # two dots in a row, or a domain that IDNA cannot encode
        raise ValueError("this is no mail address") from None


def build_mail(
    subject: str, sender: str, to: str | Address, date: datetime, list_id: str, ids: Mapping[str, str]
) -> EmailMessage:
    """A mail without its bodies; ``ids`` maps a header to its Message-ID. Raises ValueError for a bad ``sender``."""
    mail = EmailMessage(policy=POLICY)
    mail["Subject"] = subject
    mail["From"] = parse_address(sender)
    mail["To"] = to
    mail["Date"] = format_datetime(date)
    for name, value in ids.items():
        mail[name] = value
    mail["Auto-Submitted"] = "auto-generated"  # no automatic replies: docs/vendors/mail.md#headers
    mail["X-Auto-Response-Suppress"] = "OOF, AutoReply"
    mail["List-Id"] = f"<{list_id}>"
    return mail


def set_bodies(mail: EmailMessage, bodies: tuple[str, str]) -> EmailMessage:
    """The mail with text and HTML, in quoted-printable: ASCII, so no server needs 8BITMIME or breaks a long line."""
    text, html = bodies
    mail.set_content(text, cte="quoted-printable")
    mail.add_alternative(html, subtype="html", cte="quoted-printable")
    return mail


def render_bodies(template: str, contexts: Iterable[Mapping[str, object]]) -> tuple[str, str]:
    """Text and HTML of the pair of templates with this name, from the first context that fits, else from the last."""
    context: Mapping[str, object] = {}
    html = ""
    for context in contexts:
        html = INLINER.inline(TEMPLATES.get_template(f"{template}.html").render(context))
        if len(html.encode()) <= MAX_HTML:
            break
    return TEMPLATES.get_template(f"{template}.txt").render(context), html


def find_link(links: tuple[Link, ...], what: str, host: str) -> str | None:
    """The URL of the first link of that kind that a mail may contain."""
    return next((link.url for link in links if link.what == what and is_openable(link.url, host)), None)


def is_openable(url: str, host: str) -> bool:
    """https to any host; http only to this machine or ``host``, for the sandbox."""
    if len(url) > MAX_URL or not _URL.fullmatch(url):
        return False
    try:
        parts = urlsplit(url)
        return parts.scheme == "https" or parts.hostname in {host, "localhost", "127.0.0.1"}
    except ValueError:  # an incomplete IPv6 address
        return False


def state_label(item: Item, gettext: partial[str]) -> str:
    """The state; of an open item, its urgency."""
    if item.proposal:
        return gettext("Needs a second person")
    if item.state == "open":
        return gettext(_MARKS.get(item.snapshot.urgency, "To review"))
    return gettext("Resolved") if item.state == "resolved" else gettext("Being carried out")


def message_id(parts: list[str], sender: str) -> str:
    """A Message-ID at the sender's domain; equal parts give the same one."""
    digest = hashlib.blake2b("\n".join(parts).encode("utf-8", "replace"), digest_size=10).hexdigest()
    return f"<{digest}@{parse_address(sender).domain}>"


def slug(text: str) -> str:
    return re.sub(r"[^a-z0-9.-]+", "-", text.lower()).strip(".-") or "casebell"


def _render_alert(notice: Notice, story: Story, gettext: partial[str], address: str, host: str) -> tuple[str, str]:
    """Text and HTML; a mail that is too long loses the ends of its texts, never its button."""
    item = notice.item
    context: dict[str, object] = {
        "_": gettext,
        "locale": notice.route.locale,
        "tone": item.snapshot.urgency if item.state == "open" else item.state,
        "mark": state_label(item, gettext),
        "address": address,
        "route": notice.route.name,
        "maybe_duplicate": notice.maybe_duplicate,
        "source": item.snapshot.source.capitalize(),
        **_collect_links(notice, gettext, host),
    }
    return render_bodies("alert", (context | {"alert": _cut_story(story, item.kind, share)} for share in SHARES))


def _cut_story(story: Story, kind: str, share: float) -> dict[str, object]:
    """The story with a ``share`` of the usual length of each text; ``earlier`` counts the lines that are left out."""

    def limit(max_chars: int) -> int:
        return max(int(max_chars * share), MIN_TEXT)

    lines = [line for line in story.conversation if clean(line[2])]
    newest = lines[-MAX_LINES if share >= 1 else -MAX_LINES_WHEN_CUT :]
    status = cut(clean(story.status or ""), limit(MAX_STATUS))
    preheader = one_line(story.problem or "") or status or one_line(story.sentence)
    return {
        "headline": cut(one_line(story.headline), MAX_SUBJECT) or kind,
        "preheader": cut(preheader, MAX_PREHEADER),
        "status": status,
        "problem": cut(clean(story.problem or ""), limit(MAX_STATUS)),
        "question": cut(clean(story.question or ""), limit(MAX_BODY)),
        "quote": cut(clean(story.quote or ""), limit(MAX_BODY)),
        "facts": [
            (cut(one_line(label), MAX_LABEL), cut(clean(value), limit(MAX_VALUE)))
            for label, value in story.facts[:MAX_FACTS]
        ],
        "conversation": [
            (cut(one_line(who), 80) or "–", cut(one_line(when), 60), cut(clean(text), limit(MAX_LINE)))
            for who, when, text in newest
        ],
        "earlier": len(lines) - len(newest),
        "footer": cut(one_line(story.footer), 300),
    }


def _collect_links(notice: Notice, gettext: partial[str], host: str) -> dict[str, object]:
    """The links of the mail by template variable; the button leads to the source when only the source can decide."""
    is_open = notice.item.state == "open"
    is_elsewhere = is_open and not DECIDING_VERBS & set(notice.verbs) and not notice.item.proposal
    action_url, source_url = (find_link(notice.links, what, host) for what in ("decide", "solution"))
    decide_url = action_url if is_open else None
    source = gettext("Open in {source}", source=notice.item.snapshot.source.capitalize())
    leads_to_source = is_elsewhere and source_url
    media = [link for link in notice.links if link.what == "media" and is_openable(link.url, host)][:MAX_FILES]
    twins = [link for link in notice.links if link.what == "twin" and is_openable(link.url, host)]
    return {
        "main_url": source_url if leads_to_source else decide_url,
        "main_label": source if leads_to_source else gettext("Review and decide"),
        "decide_url": decide_url,
        "reopen_url": action_url if "reopen" in notice.verbs else None,
        "source_url": source_url,
        "twins": [
            (gettext("Open in {source}", source=cut(one_line(link.name or ""), 40).capitalize() or "?"), link.url)
            for link in twins
        ],
        "item_url": find_link(notice.links, "item", host),
        "files": [(cut(one_line(file_name(link.name, gettext)), 100), link.url) for link in media],
    }
