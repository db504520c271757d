"""The payloads that Slack sends for interactions, commands and events, with their signatures. Pure.

docs/vendors/slack.md#signatures
"""

import hmac
import json
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlencode

Json = dict[str, Any]

TEAM: Json = {"id": "T0CREDITOR", "domain": "creditor"}
APP_ID = "A0CASEBELL"
BOT_ID = "B0CASEBELL"
BOT_USER = "U0CASEBELL"
COMMAND = "/casebell"


FORM = "application/x-www-form-urlencoded"
_SELECTED = {"datepicker": "selected_date", "users_select": "selected_user"}


class NotClickableError(LookupError):
    """The user does not see such a button, option, message or modal."""


def elements(blocks: list[Json]) -> Iterator[tuple[str, Json]]:
    """Every interactive element, with its block's id."""
    for block in blocks:
        inside = [*block.get("elements", []), block.get("accessory"), block.get("element")]
        for element in inside:
            if isinstance(element, dict) and "action_id" in element:
                yield block.get("block_id", ""), element


def action(blocks: list[Json], action_id: str, option: str | None, at: str) -> Json:
    """The action of a click. Raises NotClickableError if there is no such button or option."""
    for block_id, element in elements(blocks):
        if element["action_id"] != action_id:
            continue
        done: Json = {"type": element["type"], "action_id": action_id, "block_id": block_id, "action_ts": at}
        if "options" in element or "option_groups" in element:
            return done | {"selected_option": _option(element, option)}
        return done | {key: element[key] for key in ("text", "value", "url", "style") if key in element}
    raise NotClickableError(f"no {action_id} to click here")


def _option(element: Json, value: str | None) -> Json:
    for one in options(element):
        if one.get("value") == value:
            return one
    raise NotClickableError(f"no option {value} in {element['action_id']}")


def options(element: Json) -> list[Json]:
    groups = element.get("option_groups", [])
    return [*element.get("options", []), *(one for group in groups for one in group.get("options", []))]


def block_actions(
    user: Json, channel: Json, message: Json, clicked: Json, *, trigger_id: str, response_url: str, is_ephemeral: bool
) -> Json:
    """The payload of a click on a message."""
    return {
        "type": "block_actions",
        "user": _user_fields(user),
        "api_app_id": APP_ID,
        "token": "verification-tokens-are-deprecated",
        "container": {
            "type": "message",
            "message_ts": message["ts"],
            "channel_id": channel["id"],
            "is_ephemeral": is_ephemeral,
        },
        "trigger_id": trigger_id,
        "team": TEAM,
        "enterprise": None,
        "is_enterprise_install": False,
        "channel": {"id": channel["id"], "name": channel.get("name", "")},
        "message": message,
        "state": {"values": {}},
        "response_url": response_url,
        "actions": [clicked],
    }


def home_actions(user: Json, view: Json, clicked: Json, *, trigger_id: str) -> Json:
    """The payload of a click on a Home tab or in a modal: it has a view instead of channel and message."""
    return {
        "type": "block_actions",
        "user": _user_fields(user),
        "api_app_id": APP_ID,
        "token": "verification-tokens-are-deprecated",
        "container": {"type": "view", "view_id": view["id"]},
        "trigger_id": trigger_id,
        "team": TEAM,
        "enterprise": None,
        "is_enterprise_install": False,
        "view": view,
        "actions": [clicked],
    }


def slash_command(user: Json, channel: Json, text: str, *, trigger_id: str, response_url: str) -> dict[str, str]:
    """The form fields of a slash command."""
    return {
        "token": "verification-tokens-are-deprecated",
        "team_id": TEAM["id"],
        "team_domain": TEAM["domain"],
        "channel_id": channel["id"],
        "channel_name": channel.get("name", ""),
        "user_id": user["id"],
        "user_name": user["name"],
        "command": COMMAND,
        "text": text,
        "api_app_id": APP_ID,
        "is_enterprise_install": "false",
        "response_url": response_url,
        "trigger_id": trigger_id,
    }


def event(event_data: Json, event_id: str, at: int) -> Json:
    """The envelope of an event."""
    return {
        "token": "verification-tokens-are-deprecated",
        "team_id": TEAM["id"],
        "api_app_id": APP_ID,
        "event": event_data,
        "type": "event_callback",
        "event_id": event_id,
        "event_time": at,
    }


def view_submission(user: Json, view: Json, *, trigger_id: str) -> Json:
    """The payload of a submitted modal; ``view`` contains its state."""
    return {
        "type": "view_submission",
        "team": TEAM,
        "user": _user_fields(user),
        "api_app_id": APP_ID,
        "token": "verification-tokens-are-deprecated",
        "trigger_id": trigger_id,
        "view": view,
        "response_urls": [],
        "is_enterprise_install": False,
        "enterprise": None,
    }


def state_of(blocks: list[Json], values: dict[str, str]) -> Json:
    """``view.state`` with the typed and chosen ``values``, by block id; None for empty ones."""
    state: Json = {}
    for block_id, element in elements([block for block in blocks if block.get("type") == "input"]):
        given = values.get(block_id, element.get("initial_value"))
        if element["type"] == "plain_text_input":
            filled: Json = {"type": element["type"], "value": given or None}
        elif element["type"] in _SELECTED:
            filled = {"type": element["type"], _SELECTED[element["type"]]: given or None}
        else:
            chosen = next((one for one in options(element) if one.get("value") == given), None)
            filled = {"type": element["type"], "selected_option": chosen}
        state[block_id] = {element["action_id"]: filled}
    return {"values": state}


def _user_fields(user: Json) -> Json:
    return {"id": user["id"], "username": user["name"], "name": user["name"], "team_id": TEAM["id"]}


def sign_form(payload: Json, secret: str, now_s: float) -> tuple[bytes, dict[str, str]]:
    """Body and headers of an interaction as Slack sends them."""
    return sign(urlencode({"payload": json.dumps(payload, ensure_ascii=False, separators=(",", ":"))}), secret, now_s)


def sign(text: str, secret: str, now_s: float, kind: str = FORM) -> tuple[bytes, dict[str, str]]:
    """Body and headers of any request: the signature is v0 over timestamp and raw body."""
    body = text.encode()
    stamp = str(int(now_s))
    digest = hmac.new(secret.encode(), b"v0:" + stamp.encode() + b":" + body, "sha256").hexdigest()
    return body, {
        "Content-Type": kind,
        "User-Agent": "Slackbot 1.0 (+https://api.slack.com/robots)",
        "X-Slack-Request-Timestamp": stamp,
        "X-Slack-Signature": f"v0={digest}",
    }
