"""Validates Block Kit as Slack does, with Slack's error messages. Pure.

The limits are those of docs/vendors/slack.md#limits-of-messages-and-forms.
It knows the blocks and elements that the stand-in's page can render; newer ones are refused like unknown ones. Where
the documentation does not define a character, the strictest reading counts: UTF-16 units after Slack's three escapes.
"""

import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from typing import Any

Check = Callable[[Any, str], Iterator[str]]
Fields = Mapping[str, Check]

TOO_LONG = "msg_blocks_too_long"
NO_TEXT = "no_text"
MAX_BLOCKS, MAX_VIEW_BLOCKS = 50, 100
MAX_ALL_TEXT = 13_200
ANY_NUMBER = 10**9


def violations(blocks: Any, text: str, view: bool = False) -> list[str]:
    """Every reason to refuse these blocks; empty if Slack accepts them.

    ``text``: that of a message (``view`` False), which needs it or blocks. ``TOO_LONG`` and ``NO_TEXT`` are error
    codes; all other reasons are details of ``invalid_blocks``.
    """
    most = MAX_VIEW_BLOCKS if view else MAX_BLOCKS
    found = list(_array(_by_type(BLOCKS), most, least=0)(blocks, "/view/blocks" if view else "/blocks"))
    found += _duplicates(blocks, "block_id")
    found += _duplicates(blocks, "action_id")
    if not view and not blocks and not text.strip():
        found.append(NO_TEXT)
    if not view and sum(_weights(blocks)) > MAX_ALL_TEXT:
        found.append(TOO_LONG)
    return found


def view_violations(view: Any) -> list[str]:
    """Every reason to refuse a modal or a Home tab, its blocks included."""
    is_home = isinstance(view, dict) and view.get("type") == "home"
    found = list((HOME if is_home else MODAL)(view, "/view"))
    if not isinstance(view, dict):
        return found
    blocks = view.get("blocks", [])
    found += violations(blocks, "", view=True)
    if not is_home and any(one.get("type") == "input" for one in _objects(blocks)) and not view.get("submit"):
        found.append(_error("missing required field: submit", "/view"))
    return found


def _units(text: str) -> int:
    return len(text.encode("utf-16-le", "surrogatepass")) // 2


def _weight(text: str, kind: object = "plain_text") -> int:
    """The length that a text object counts: mrkdwn is escaped by its sender, plain text by Slack."""
    extra = 0 if kind == "mrkdwn" else 4 * text.count("&") + 3 * (text.count("<") + text.count(">"))
    return _units(text) + extra


def _error(message: str, at: str) -> str:
    return f"[ERROR] {message} [json-pointer:{at}]"


def _length(size: int, most: int, least: int, at: str) -> Iterator[str]:
    if size > most:
        yield _error(f"must be less than {most + 1} characters", at)
    elif size < least:
        yield _error(f"must be more than {least - 1} characters", at)


def _string(most: int, least: int = 0) -> Check:
    def check(value: Any, at: str) -> Iterator[str]:
        if not isinstance(value, str):
            yield _error("must be a string", at)
        else:
            yield from _length(_units(value), most, least, at)

    return check


def _one_of(*words: str) -> Check:
    def check(value: Any, at: str) -> Iterator[str]:
        if not isinstance(value, str) or value not in words:
            yield _error(f"must be one of: {', '.join(words)}", at)

    return check


def _integer(least: int, most: int) -> Check:
    def check(value: Any, at: str) -> Iterator[str]:
        if not isinstance(value, int) or isinstance(value, bool) or not least <= value <= most:
            yield _error(f"must be an integer from {least} to {most}", at)

    return check


def _boolean(value: Any, at: str) -> Iterator[str]:
    if not isinstance(value, bool):
        yield _error("must be a boolean", at)


def _url(value: Any, at: str) -> Iterator[str]:
    yield from _string(3000, 1)(value, at)
    if isinstance(value, str) and not value.startswith(("https://", "http://")):
        yield _error("must be a valid url", at)


def _date(value: Any, at: str) -> Iterator[str]:
    if not isinstance(value, str) or not re.fullmatch(r"\d{4}-\d\d-\d\d", value):
        yield _error("must be a date, YYYY-MM-DD", at)


def _array(check_one: Check, most: int, least: int = 1) -> Check:
    def check(value: Any, at: str) -> Iterator[str]:
        if not isinstance(value, list):
            yield _error("must be an array", at)
            return
        if len(value) > most:
            yield _error(f"no more than {most} items allowed", at)
        if len(value) < least:
            yield _error(f"no fewer than {least} items allowed", at)
        for number, one in enumerate(value):
            yield from check_one(one, f"{at}/{number}")

    return check


def _record(required: Fields, optional: Fields | None = None, *, either: tuple[str, ...] = ()) -> Check:
    """An object with these fields and no others; of ``either`` at least one."""
    known = {**required, **(optional or {})}

    def check(value: Any, at: str) -> Iterator[str]:
        if not isinstance(value, dict):
            yield _error("must be an object", at)
            return
        for name in required:
            if name not in value:
                yield _error(f"missing required field: {name}", at)
        if either and not any(value.get(name) for name in either):
            yield _error(f"missing required field: {' or '.join(either)}", at)
        for name, given in value.items():
            if name not in known:
                yield _error(f"invalid additional property: {name}", at)
            else:
                yield from known[name](given, f"{at}/{name}")

    return check


def _by_type(checks: Mapping[str, Check]) -> Check:
    def check(value: Any, at: str) -> Iterator[str]:
        kind = value.get("type") if isinstance(value, dict) else None
        if not isinstance(kind, str) or kind not in checks:
            name = kind[:80] if isinstance(kind, str) else type(kind).__name__  # its repr may recurse to any depth
            yield _error(f"unsupported type: {name}", f"{at}/type")
        else:
            yield from checks[kind](value, at)

    return check


def _plain(most: int) -> Check:
    return _text_object("plain_text", most, {"emoji": _boolean})


def _text(most: int) -> Check:
    """A text object, plain or mrkdwn, neither empty nor longer than ``most``."""
    return _by_type({"plain_text": _plain(most), "mrkdwn": _text_object("mrkdwn", most, {"verbatim": _boolean})})


def _text_object(kind: str, most: int, optional: Fields) -> Check:
    shape = _record({"type": _one_of(kind), "text": _string(ANY_NUMBER)}, optional)

    def check(value: Any, at: str) -> Iterator[str]:
        yield from shape(value, at)
        words = value.get("text") if isinstance(value, dict) else None
        if isinstance(words, str):
            yield from _length(_weight(words, kind) if words.strip() else 0, most, 1, f"{at}/text")

    return check


def _of(kind: str, required: Fields, optional: Fields | None = None, *, either: tuple[str, ...] = ()) -> Check:
    return _record({"type": _one_of(kind), **required}, optional, either=either)


def _block(kind: str, required: Fields, optional: Fields | None = None, *, either: tuple[str, ...] = ()) -> Check:
    return _of(kind, required, {"block_id": _string(255), **(optional or {})}, either=either)


def _checked_elsewhere(_value: Any, _at: str) -> Iterator[str]:
    yield from ()


CONFIRM = _record(
    {"title": _plain(100), "text": _text(300), "confirm": _plain(30), "deny": _plain(30)},
    {"style": _one_of("primary", "danger")},
)
OPTION = _record({"text": _plain(75), "value": _string(150, 1)}, {"description": _plain(75)})
MENU_OPTION = _record({"text": _plain(75), "value": _string(150, 1)}, {"description": _plain(75), "url": _url})
GROUP = _record({"label": _plain(75), "options": _array(OPTION, 100)})
ELEMENT_FIELDS: Fields = {"action_id": _string(255), "confirm": CONFIRM}
CHOICE_FIELDS: Fields = {**ELEMENT_FIELDS, "focus_on_load": _boolean, "initial_option": OPTION}

BUTTON = _of(
    "button",
    {"text": _plain(75)},
    {
        **ELEMENT_FIELDS,
        "value": _string(2000),
        "url": _url,
        "style": _one_of("primary", "danger"),
        "accessibility_label": _string(75),
    },
)
OVERFLOW = _of("overflow", {"options": _array(MENU_OPTION, 5)}, ELEMENT_FIELDS)
SELECT = _of(
    "static_select",
    {},
    {**CHOICE_FIELDS, "placeholder": _plain(150), "options": _array(OPTION, 100), "option_groups": _array(GROUP, 100)},
    either=("options", "option_groups"),
)
RADIO = _of("radio_buttons", {"options": _array(OPTION, 10)}, CHOICE_FIELDS)
PICTURE = _of("image", {"image_url": _url, "alt_text": _string(2000, 1)})
TEXT_INPUT = _of(
    "plain_text_input",
    {},
    {
        "action_id": _string(255),
        "placeholder": _plain(150),
        "initial_value": _string(3000),
        "multiline": _boolean,
        "min_length": _integer(0, 3000),
        "max_length": _integer(1, 3000),
        "focus_on_load": _boolean,
    },
)
DATE = _of(
    "datepicker",
    {},
    {**ELEMENT_FIELDS, "placeholder": _plain(150), "initial_date": _date, "focus_on_load": _boolean},
)
PERSON = _of(
    "users_select",
    {},
    {**ELEMENT_FIELDS, "placeholder": _plain(150), "initial_user": _string(255, 1), "focus_on_load": _boolean},
)
INTERACTIVE = {"button": BUTTON, "overflow": OVERFLOW, "static_select": SELECT, "radio_buttons": RADIO}

STYLE = _record({}, {"bold": _boolean, "italic": _boolean, "strike": _boolean, "code": _boolean})
SPAN = _by_type(
    {
        "text": _of("text", {"text": _string(ANY_NUMBER, 1)}, {"style": STYLE}),
        "link": _of("link", {"url": _url}, {"text": _string(ANY_NUMBER), "unsafe": _boolean, "style": STYLE}),
        "emoji": _of("emoji", {"name": _string(255, 1)}, {"unicode": _string(255), "style": STYLE}),
        "user": _of("user", {"user_id": _string(255, 1)}, {"style": STYLE}),
    }
)
SPANS: Fields = {"elements": _array(SPAN, ANY_NUMBER, least=0)}
RICH_SECTION = _of("rich_text_section", SPANS)
RICH = _by_type(
    {
        "rich_text_section": RICH_SECTION,
        "rich_text_quote": _of("rich_text_quote", SPANS, {"border": _integer(0, 1)}),
        "rich_text_preformatted": _of("rich_text_preformatted", SPANS, {"border": _integer(0, 1)}),
        "rich_text_list": _of(
            "rich_text_list",
            {"style": _one_of("bullet", "ordered"), "elements": _array(RICH_SECTION, ANY_NUMBER, least=0)},
            {"indent": _integer(0, 8), "offset": _integer(0, 10**6), "border": _integer(0, 1)},
        ),
    }
)
ACCESSORY = _by_type({**INTERACTIVE, "image": PICTURE})
CONTEXT_ELEMENT = _by_type({"plain_text": _plain(3000), "mrkdwn": _text(3000), "image": PICTURE})
INPUT_ELEMENT = _by_type(
    {
        "plain_text_input": TEXT_INPUT,
        "static_select": SELECT,
        "radio_buttons": RADIO,
        "datepicker": DATE,
        "users_select": PERSON,
    }
)

BLOCKS: dict[str, Check] = {
    "header": _block("header", {"text": _plain(150)}),
    "section": _block(
        "section",
        {},
        {"text": _text(3000), "fields": _array(_text(2000), 10), "accessory": ACCESSORY, "expand": _boolean},
        either=("text", "fields"),
    ),
    "divider": _block("divider", {}),
    "context": _block("context", {"elements": _array(CONTEXT_ELEMENT, 10)}),
    "actions": _block("actions", {"elements": _array(_by_type(INTERACTIVE), 25)}),
    "image": _block("image", {"image_url": _url, "alt_text": _string(2000, 1)}, {"title": _plain(2000)}),
    "input": _block(
        "input",
        {"label": _plain(2000), "element": INPUT_ELEMENT},
        {"hint": _plain(2000), "optional": _boolean, "dispatch_action": _boolean},
    ),
    "rich_text": _block("rich_text", {"elements": _array(RICH, ANY_NUMBER)}),
}

HOME = _of(
    "home",
    {"blocks": _checked_elsewhere},
    {"callback_id": _string(255), "private_metadata": _string(3000), "external_id": _string(255)},
)
MODAL = _of(
    "modal",
    {"title": _plain(24), "blocks": _checked_elsewhere},
    {
        "submit": _plain(24),
        "close": _plain(24),
        "callback_id": _string(255),
        "private_metadata": _string(3000),
        "external_id": _string(255),
        "clear_on_close": _boolean,
        "notify_on_close": _boolean,
    },
)


def _objects(value: Any) -> Iterator[dict[str, Any]]:
    """Every object inside, without recursion, because the input may be nested to any depth."""
    waiting = [value]
    while waiting:
        one = waiting.pop()
        if isinstance(one, dict):
            yield one
            waiting.extend(one.values())
        elif isinstance(one, list):
            waiting.extend(one)


def _weights(blocks: Any) -> Iterator[int]:
    for one in _objects(blocks):
        words = one.get("text")
        if isinstance(words, str):
            yield _weight(words, one.get("type"))


def _duplicates(blocks: Any, name: str) -> list[str]:
    counts = Counter(one[name] for one in _objects(blocks) if isinstance(one.get(name), str))
    return [_error(f"`{name}` {value!r} already exists", "/blocks") for value, count in counts.items() if count > 1]
