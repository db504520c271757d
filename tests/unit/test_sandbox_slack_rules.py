"""The stand-in's validation of Block Kit: each limit is accepted, and one more is refused."""

from collections.abc import Callable
from typing import Any

import pytest

from casebell_sandbox.slack_rules import NO_TEXT, TOO_LONG, view_violations, violations

Json = dict[str, Any]
Blocks = list[Json]


def plain(n: int) -> Json:
    return {"type": "plain_text", "text": "x" * n}


def mrkdwn(n: int) -> Json:
    return {"type": "mrkdwn", "text": "x" * n}


def button(**changes: Any) -> Json:
    return {"type": "button", "text": plain(4), "action_id": "a"} | changes


def option(text: int = 3, value: int = 3) -> Json:
    return {"text": plain(text), "value": "v" * value}


def actions(*elements: Json) -> Blocks:
    return [{"type": "actions", "elements": list(elements)}]


def overflow(*options: Json) -> Blocks:
    return actions({"type": "overflow", "action_id": "a", "options": list(options)})


def select(*options: Json) -> Blocks:
    return actions({"type": "static_select", "action_id": "a", "options": list(options)})


def confirm(**changes: Any) -> Blocks:
    asked = {"title": plain(1), "text": plain(1), "confirm": plain(1), "deny": plain(1)}
    return actions(button(confirm=asked | changes))


def asking(**element: Any) -> Blocks:
    return [{"type": "input", "label": plain(3), "element": {"type": "plain_text_input", "action_id": "a"} | element}]


def picture(**changes: Any) -> Blocks:
    return [{"type": "image", "image_url": "https://x.example/a.png", "alt_text": "A picture"} | changes]


URL = "https://x.example/"
LIMITS: dict[str, tuple[Callable[[int], Blocks], int]] = {
    "blocks": (lambda n: [{"type": "divider"}] * n, 50),
    "section text": (lambda n: [{"type": "section", "text": mrkdwn(n)}], 3000),
    "section fields": (lambda n: [{"type": "section", "fields": [plain(3)] * n}], 10),
    "field text": (lambda n: [{"type": "section", "fields": [plain(n)]}], 2000),
    "header text": (lambda n: [{"type": "header", "text": plain(n)}], 150),
    "context elements": (lambda n: [{"type": "context", "elements": [plain(3)] * n}], 10),
    "context text": (lambda n: [{"type": "context", "elements": [mrkdwn(n)]}], 3000),
    "actions elements": (lambda n: actions(*(button(action_id=f"a{k}") for k in range(n))), 25),
    "button text": (lambda n: actions(button(text=plain(n))), 75),
    "button value": (lambda n: actions(button(value="v" * n)), 2000),
    "button url": (lambda n: actions(button(url=URL + "x" * (n - len(URL)))), 3000),
    "accessibility label": (lambda n: actions(button(accessibility_label="x" * n)), 75),
    "overflow options": (lambda n: overflow(*[option()] * n), 5),
    "option text": (lambda n: overflow(option(text=n)), 75),
    "option value": (lambda n: overflow(option(value=n)), 150),
    "select options": (lambda n: select(*[option()] * n), 100),
    "confirm title": (lambda n: confirm(title=plain(n)), 100),
    "confirm text": (lambda n: confirm(text=mrkdwn(n)), 300),
    "confirm yes": (lambda n: confirm(confirm=plain(n)), 30),
    "confirm no": (lambda n: confirm(deny=plain(n)), 30),
    "block id": (lambda n: [{"type": "divider", "block_id": "x" * n}], 255),
    "action id": (lambda n: actions(button(action_id="x" * n)), 255),
    "image url": (lambda n: picture(image_url=URL + "x" * (n - len(URL))), 3000),
    "image alt": (lambda n: picture(alt_text="x" * n), 2000),
    "input max length": (lambda n: asking(max_length=n), 3000),
}


@pytest.mark.parametrize("name", LIMITS)
def test_a_limit_holds_at_its_number_and_breaks_one_above(name: str) -> None:
    make, limit = LIMITS[name]

    assert violations(make(limit), "x") == []
    assert violations(make(limit + 1), "x") != []


def test_all_text_of_a_message_together_has_a_limit_of_its_own() -> None:
    def sections(*sizes: int) -> Blocks:
        return [{"type": "section", "text": mrkdwn(size)} for size in sizes]

    assert violations(sections(3000, 3000, 3000, 3000, 1200), "x") == []
    assert violations(sections(3000, 3000, 3000, 3000, 1201), "x") == [TOO_LONG]


def test_plain_text_counts_as_slack_escapes_it_and_emoji_count_twice() -> None:
    def header(text: str) -> Blocks:
        return [{"type": "header", "text": {"type": "plain_text", "text": text}}]

    assert violations(header("&" * 30), "x") == []
    assert violations(header("&" * 31), "x") == [
        "[ERROR] must be less than 151 characters [json-pointer:/blocks/0/text/text]"
    ]
    assert violations(header("🔔" * 75), "x") == []
    assert violations(header("🔔" * 76), "x") != []


REFUSED: dict[str, tuple[Any, str]] = {
    "no list": ({"type": "divider"}, "must be an array"),
    "no block": (["divider"], "unsupported type: NoneType"),
    "unknown block": ([{"type": "carousel"}], "unsupported type: carousel"),
    "unknown element": (actions({"type": "datetimepicker", "action_id": "a"}), "unsupported type: datetimepicker"),
    "markup in a header": ([{"type": "header", "text": mrkdwn(3)}], "must be one of: plain_text"),
    "markup on a button": (actions(button(text=mrkdwn(3))), "must be one of: plain_text"),
    "a blank button": (actions(button(text={"type": "plain_text", "text": "  "})), "must be more than 0 characters"),
    "a section without words": ([{"type": "section"}], "missing required field: text or fields"),
    "a menu without options": (overflow(), "no fewer than 1 items allowed"),
    "an image without words": ([{"type": "image", "image_url": URL}], "missing required field: alt_text"),
    "a link that runs code": (actions(button(url="javascript:alert(1)")), "must be a valid url"),
    "a colour that does not exist": (actions(button(style="green")), "must be one of: primary, danger"),
    "a field that does not exist": ([{"type": "divider", "colour": "red"}], "invalid additional property: colour"),
    "markup with emoji": ([{"type": "section", "text": mrkdwn(3) | {"emoji": True}}], "additional property: emoji"),
    "a word as a number": (asking(max_length="many"), "must be an integer from 1 to 3000"),
    "a word as a flag": ([{"type": "section", "text": plain(1) | {"emoji": "yes"}}], "must be a boolean"),
    "one block id twice": ([{"type": "divider", "block_id": "b"}] * 2, "`block_id` 'b' already exists"),
    "one action id twice": (actions(button(), button()), "`action_id` 'a' already exists"),
    "rich text outside a section": ([{"type": "rich_text", "elements": [{"type": "text", "text": "x"}]}], "type: text"),
    "an unknown span": (
        [{"type": "rich_text", "elements": [{"type": "rich_text_section", "elements": [{"type": "magic"}]}]}],
        "[json-pointer:/blocks/0/elements/0/elements/0/type]",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_slack_does_not_know_is_refused_with_a_reason_and_a_place(name: str) -> None:
    blocks, reason = REFUSED[name]

    (found,) = violations(blocks, "x")

    assert reason in found
    assert "[json-pointer:/blocks" in found


def test_every_part_of_rich_text_is_taken() -> None:
    spans = [
        {"type": "text", "text": "words", "style": {"bold": True, "code": True}},
        {"type": "link", "url": "https://x.example/a", "text": "a link"},
        {"type": "emoji", "name": "bell"},
        {"type": "user", "user_id": "U0ANNA"},
    ]
    section = {"type": "rich_text_section", "elements": spans}
    parts = [
        section,
        {"type": "rich_text_quote", "elements": spans},
        {"type": "rich_text_preformatted", "elements": spans, "border": 0},
        {"type": "rich_text_list", "style": "ordered", "elements": [section], "indent": 1},
    ]

    assert violations([{"type": "rich_text", "elements": parts}], "x") == []


def test_a_message_needs_words_or_blocks() -> None:
    assert violations([], " ") == [NO_TEXT]
    assert violations([{"type": "divider"}], "") == []
    assert violations([], "", view=True) == []


def test_depth_chosen_by_a_stranger_is_refused_and_not_a_crash() -> None:
    deep: Any = "x"
    for _ in range(100_000):
        deep = [deep]

    assert violations([{"type": deep}], "x") != []


def modal(**changes: Any) -> Json:
    return {"type": "modal", "title": plain(5), "submit": plain(4), "close": plain(5), "blocks": asking()} | changes


VIEW_LIMITS: dict[str, tuple[Callable[[int], Json], int]] = {
    "blocks": (lambda n: modal(blocks=[{"type": "divider"}] * n), 100),
    "title": (lambda n: modal(title=plain(n)), 24),
    "submit": (lambda n: modal(submit=plain(n)), 24),
    "close": (lambda n: modal(close=plain(n)), 24),
    "callback id": (lambda n: modal(callback_id="x" * n), 255),
    "private metadata": (lambda n: modal(private_metadata="x" * n), 3000),
}


@pytest.mark.parametrize("name", VIEW_LIMITS)
def test_a_limit_of_a_form_holds_at_its_number_and_breaks_one_above(name: str) -> None:
    make, limit = VIEW_LIMITS[name]

    assert view_violations(make(limit)) == []
    assert len(view_violations(make(limit + 1))) == 1


def test_a_form_that_asks_needs_a_button_to_send_it() -> None:
    silent = modal()
    del silent["submit"]

    assert view_violations(silent) == ["[ERROR] missing required field: submit [json-pointer:/view]"]
    assert view_violations(silent | {"blocks": [{"type": "divider"}]}) == []
    assert view_violations("modal") == ["[ERROR] must be an object [json-pointer:/view]"]


@pytest.mark.parametrize(
    ("element", "is_taken"),
    [
        ({"type": "datepicker", "action_id": "day", "initial_date": "2026-03-02"}, True),
        ({"type": "datepicker", "action_id": "day", "initial_date": "2 March"}, False),
        ({"type": "users_select", "action_id": "to", "initial_user": "U0ANNA"}, True),
        ({"type": "users_select", "action_id": "to", "options": []}, False),
    ],
)
def test_a_form_may_ask_for_a_day_or_a_person(element: Json, is_taken: bool) -> None:
    asking_for = [{"type": "input", "label": plain(5), "element": element}]

    assert (view_violations(modal(blocks=asking_for)) == []) is is_taken
