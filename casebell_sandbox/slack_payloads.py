"""The payloads Slack sends for clicks and forms, and their signature (docs/vendors/slack.md#signatures). Pure."""

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


class NotPressableError(LookupError):
    """There is no such button, option, message or form in front of this person."""


def elements(blocks: list[Json]) -> Iterator[tuple[str, Json]]:
    """Everything that can be pressed or filled in, each with its block's id."""
    for block in blocks:
        inside = [*block.get("elements", []), block.get("accessory"), block.get("element")]
        for element in inside:
            if isinstance(element, dict) and "action_id" in element:
                yield block.get("block_id", ""), element


def action(blocks: list[Json], action_id: str, option: str | None, at: str) -> Json:
    """The one action of a press. Raises NotPressableError when there is no such button or option."""
    for block_id, element in elements(blocks):
        if element["action_id"] != action_id:
            continue
        done: Json = {"type": element["type"], "action_id": action_id, "block_id": block_id, "action_ts": at}
        if "options" in element or "option_groups" in element:
            return done | {"selected_option": _option(element, option)}
        return done | {key: element[key] for key in ("text", "value", "url", "style") if key in element}
    raise NotPressableError(f"no {action_id} to press here")


def _option(element: Json, value: str | None) -> Json:
    for one in options(element):
        if one.get("value") == value:
            return one
    raise NotPressableError(f"no option {value} in {element['action_id']}")


def options(element: Json) -> list[Json]:
    groups = element.get("option_groups", [])
    return [*element.get("options", []), *(one for group in groups for one in group.get("options", []))]


def block_actions(
    user: Json, channel: Json, message: Json, pressed: Json, *, trigger_id: str, response_url: str, is_ephemeral: bool
) -> Json:
    """The payload of a press on a message."""
    return {
        "type": "block_actions",
        "user": _presser(user),
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
        "actions": [pressed],
    }


def home_actions(user: Json, view: Json, pressed: Json, *, trigger_id: str) -> Json:
    """The payload of a press on a Home tab or in a form: it has a view and neither channel nor message."""
    return {
        "type": "block_actions",
        "user": _presser(user),
        "api_app_id": APP_ID,
        "token": "verification-tokens-are-deprecated",
        "container": {"type": "view", "view_id": view["id"]},
        "trigger_id": trigger_id,
        "team": TEAM,
        "enterprise": None,
        "is_enterprise_install": False,
        "view": view,
        "actions": [pressed],
    }


def slash_command(user: Json, channel: Json, text: str, *, trigger_id: str, response_url: str) -> dict[str, str]:
    """The form of a typed command."""
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


def event(happened: Json, event_id: str, at: int) -> Json:
    """The envelope of an event."""
    return {
        "token": "verification-tokens-are-deprecated",
        "team_id": TEAM["id"],
        "api_app_id": APP_ID,
        "event": happened,
        "type": "event_callback",
        "event_id": event_id,
        "event_time": at,
    }


def view_submission(user: Json, view: Json, *, trigger_id: str) -> Json:
    """The payload of a submitted form; ``view`` holds its state."""
    return {
        "type": "view_submission",
        "team": TEAM,
        "user": _presser(user),
        "api_app_id": APP_ID,
        "token": "verification-tokens-are-deprecated",
        "trigger_id": trigger_id,
        "view": view,
        "response_urls": [],
        "is_enterprise_install": False,
        "enterprise": None,
    }


def state_of(blocks: list[Json], values: dict[str, str]) -> Json:
    """``view.state.values`` for what was typed or chosen, by block id; None where nothing was."""
    state: Json = {}
    for block_id, element in elements([block for block in blocks if block.get("type") == "input"]):
        given = values.get(block_id, element.get("initial_value"))  # what nobody touched is sent as it was filled in
        if element["type"] == "plain_text_input":
            filled: Json = {"type": element["type"], "value": given or None}
        elif element["type"] in _SELECTED:
            filled = {"type": element["type"], _SELECTED[element["type"]]: given or None}
        else:
            chosen = next((one for one in options(element) if one.get("value") == given), None)
            filled = {"type": element["type"], "selected_option": chosen}
        state[block_id] = {element["action_id"]: filled}
    return {"values": state}


def _presser(user: Json) -> Json:
    return {"id": user["id"], "username": user["name"], "name": user["name"], "team_id": TEAM["id"]}


def signed_form(payload: Json, secret: str, now_s: float) -> tuple[bytes, dict[str, str]]:
    """Body and headers as Slack sends them: v0 over timestamp and raw body."""
    return signed(urlencode({"payload": json.dumps(payload, ensure_ascii=False, separators=(",", ":"))}), secret, now_s)


def signed(text: str, secret: str, now_s: float, kind: str = FORM) -> tuple[bytes, dict[str, str]]:
    """The same for any body."""
    body = text.encode()
    stamp = str(int(now_s))
    digest = hmac.new(secret.encode(), b"v0:" + stamp.encode() + b":" + body, "sha256").hexdigest()
    return body, {
        "Content-Type": kind,
        "User-Agent": "Slackbot 1.0 (+https://api.slack.com/robots)",
        "X-Slack-Request-Timestamp": stamp,
        "X-Slack-Signature": f"v0={digest}",
    }
