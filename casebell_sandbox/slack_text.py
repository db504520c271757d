"""Renders Slack's texts for the stand-in's page: mrkdwn, dates and styled spans become safe HTML. Pure.

All input is escaped; only the tags of this module reach the page.
"""

import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from html import escape
from typing import Any

from markupsafe import Markup

Name = Callable[[str], str]

EMOJI = {
    "white_check_mark": "✅", "warning": "⚠️", "bell": "🔔", "hourglass": "⌛", "hourglass_flowing_sand": "⏳",
    "x": "❌", "octagonal_sign": "🛑", "large_blue_circle": "🔵", "large_orange_diamond": "🔶",
    "paperclip": "📎", "eyes": "👀",
}  # fmt: skip
# Code between backticks has precedence, then tokens in angle brackets; the rest may be styled.
_PIECE = re.compile(r"```(?P<block>.+?)```|`(?P<code>[^`\n]+)`|<(?P<token>[^<>\n]+)>", re.DOTALL)
_STYLES = {"*": "b", "_": "i", "~": "s"}
_STYLED = re.compile(r"(?<![\w*_~])([*_~])(?=\S)([^\n]*?\S)\1(?![\w*_~])")
_EMOJI = re.compile(r":([a-z0-9_+-]{1,50}):")
_QUOTED = re.compile(r"(?:^(?:&gt;|>) ?.*(?:\n|$))+", re.MULTILINE)
_DATE = re.compile(r"!date\^(\d{1,15})\^([^^|]*)(?:\^([^|]*))?\|(.*)", re.DOTALL)
_DEPTH = 3


def mrkdwn(text: str, name_of: Name = str) -> Markup:
    """mrkdwn as HTML. ``name_of``: the name of a user or channel by its id."""
    html, end = [], 0
    for quote in _QUOTED.finditer(text):
        html.append(_format_lines(text[end : quote.start()], name_of))
        inside = re.sub(r"^(?:&gt;|>) ?", "", quote[0].rstrip("\n"), flags=re.MULTILINE)
        html.append(f"<blockquote>{_format_lines(inside, name_of)}</blockquote>")
        end = quote.end()
    html.append(_format_lines(text[end:], name_of))
    return Markup("".join(html))  # noqa: S704 - made of escaped pieces


def emoji(text: str) -> Markup:
    """Plain text, with ``:names:`` replaced by emojis."""
    return Markup(_replace_emoji(escape(text)))  # noqa: S704 - escaped before


def span(element: Mapping[str, Any], name_of: Name = str) -> Markup:
    """One element of a rich text section."""
    match element.get("type"):
        case "text":
            html = escape(str(element.get("text", "")))
        case "link":
            url = str(element.get("url", ""))
            html = _link(url, escape(str(element.get("text") or url)))
        case "emoji":
            html = _unicode(str(element.get("unicode", ""))) or _replace_emoji(f":{escape(str(element.get('name')))}:")
        case "user":
            html = _mention(f"@{name_of(str(element.get('user_id')))}")
        case _:
            html = ""
    style = element.get("style") or {}
    for name, tag in (("code", "code"), ("strike", "s"), ("italic", "i"), ("bold", "b")):
        html = f"<{tag}>{html}</{tag}>" if style.get(name) else html
    return Markup(html)  # noqa: S704 - made of escaped pieces


def _format_lines(text: str, name_of: Name) -> str:
    html, end = [], 0
    for piece in _PIECE.finditer(text):
        html.append(_format_styles(text[end : piece.start()]))
        html.append(_format_piece(piece, name_of))
        end = piece.end()
    html.append(_format_styles(text[end:]))
    return "".join(html)


def _format_piece(piece: re.Match[str], name_of: Name) -> str:
    if piece["block"] is not None:
        return f"<pre>{escape(_unescape(piece['block'].strip(chr(10))))}</pre>"
    if piece["code"] is not None:
        return f"<code>{escape(_unescape(piece['code']))}</code>"
    return _format_token(piece["token"], name_of)


def _format_styles(text: str, depth: int = _DEPTH) -> str:
    """Bold, italic and strikethrough, which may be nested; then line breaks."""
    html, end = [], 0
    for match in _STYLED.finditer(text) if depth else ():
        tag = _STYLES[match[1]]
        html.append(_format_plain(text[end : match.start()]))
        html.append(f"<{tag}>{_format_styles(match[2], depth - 1)}</{tag}>")
        end = match.end()
    html.append(_format_plain(text[end:]))
    return "".join(html)


def _format_plain(text: str) -> str:
    return _replace_emoji(escape(_unescape(text))).replace("\n", "<br>")


def _unescape(text: str) -> str:
    """Slack has three escapes: docs/vendors/slack.md#escaping"""
    return text.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&")


def _format_token(token: str, name_of: Name) -> str:
    """A link, a mention or a date; anything else is shown unchanged."""
    target, _, label = token.partition("|")
    label = escape(_unescape(label))
    if target.startswith(("http://", "https://", "mailto:")):
        return _link(_unescape(target), label or escape(_unescape(target).removeprefix("mailto:")))
    if target.startswith(("@", "#")):
        return _mention(f"{target[0]}{_unescape(label) if label else name_of(target[1:])}")
    if date := _DATE.fullmatch(token):
        return _date(int(date[1]), date[2], date[3], _unescape(date[4]))
    if target in {"!channel", "!here", "!everyone"}:
        return _mention(f"@{target[1:]}")
    return escape(f"<{_unescape(token)}>")


def _link(url: str, label: str) -> str:
    if not url.startswith(("http://", "https://", "mailto:")):
        return label
    return f'<a href="{escape(url)}" target="_blank" rel="noopener noreferrer">{label}</a>'


def _mention(name: str) -> str:
    return f'<span class="mention">{escape(name)}</span>'


def _date(epoch: int, form: str, url: str | None, fallback: str) -> str:
    shown = escape(date_text(epoch, form, fallback))
    return _link(_unescape(url), shown) if url else f"<time>{shown}</time>"


def date_text(epoch: int, form: str, fallback: str) -> str:
    """Slack's date format, in this machine's time zone; ``fallback`` if the time is out of range."""
    try:
        at = datetime.fromtimestamp(epoch, UTC).astimezone()
    except (OverflowError, OSError, ValueError):
        return fallback
    today = {0: "today", 1: "yesterday", -1: "tomorrow"}.get((datetime.now(UTC).astimezone().date() - at.date()).days)
    forms = {
        "date_num": f"{at:%Y-%m-%d}",
        "date_short": f"{at:%b} {at.day}, {at.year}",
        "date": f"{at:%B} {at.day}, {at.year}",
        "date_long": f"{at:%A}, {at:%B} {at.day}, {at.year}",
        "time": f"{at:%H:%M}",
        "time_secs": f"{at:%H:%M:%S}",
    }
    forms |= {f"{name}_pretty": today or forms[name] for name in ("date_short", "date", "date_long")}
    return re.sub(r"\{(\w+)\}", lambda part: forms.get(part[1], part[0]), _unescape(form))


def _unicode(code_points: str) -> str:
    try:
        return escape("".join(chr(int(point, 16)) for point in code_points.split("-") if point))
    except (ValueError, OverflowError):
        return ""


def _replace_emoji(html: str) -> str:
    return _EMOJI.sub(lambda name: EMOJI.get(name[1], name[0]), html)
