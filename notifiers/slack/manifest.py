"""Before the walk: what Slack must be told of the app, from Casebell's own address. Pure.

The alerts and their buttons need three scopes (contract A10). Every further place asks for what it needs and no more,
and none of them reads what people write to each other.
"""

from collections.abc import Collection
from typing import Any
from urllib.parse import urlsplit

SCOPES = ("chat:write", "users:read", "users:read.email")
PLACES = ("home", "command", "links")  # what may be left out
FURTHER = {"home": (), "command": ("commands",), "links": ("links:read", "links:write")}  # scopes
HEARD = {"home": "app_home_opened", "links": "link_shared"}

INTERACTIONS, COMMANDS, EVENTS = "/slack/interactions", "/slack/commands", "/slack/events"
MAX_URL = 3_000  # of a request URL, by Slack's own schema of manifests

Json = dict[str, Any]


def manifest(public_url: str, places: Collection[str] = ()) -> Json:
    """The app as Slack's "From a manifest" takes it, with some of PLACES. Raises ValueError for an address that Slack
    does not take."""
    url = public_url.rstrip("/")
    if len(url) + len(INTERACTIONS) > MAX_URL:
        raise ValueError(f"Slack takes no request URL above {MAX_URL} characters")
    return {
        "_metadata": {"major_version": 1, "minor_version": 1},
        "display_information": {
            "name": "Casebell",
            "description": "Rings when a debt-collection case needs a person, and takes the decision.",
            "background_color": "#1f3a5f",
        },
        "features": _features(url, places),
        "oauth_config": {
            "scopes": {"bot": [*SCOPES, *(scope for place in PLACES if place in places for scope in FURTHER[place])]}
        },
        "settings": {
            **_events(url, places),
            "interactivity": {"is_enabled": True, "request_url": f"{url}{INTERACTIONS}"},
            "org_deploy_enabled": False,
            "socket_mode_enabled": False,
            "token_rotation_enabled": False,
        },
    }


def _features(url: str, places: Collection[str]) -> Json:
    told: Json = {"bot_user": {"display_name": "Casebell", "always_online": True}}
    if "home" in places:
        told["app_home"] = {"home_tab_enabled": True, "messages_tab_enabled": True}
        told["app_home"]["messages_tab_read_only_enabled"] = True
    if "command" in places:
        told["slash_commands"] = [
            {
                "command": "/casebell",
                "url": f"{url}{COMMANDS}",
                "description": "Find an item, list what waits, put something off",
                "usage_hint": "find INV-1 | list | snooze INV-1 | help",
                "should_escape": False,
            }
        ]
    if "links" in places:
        told["unfurl_domains"] = [urlsplit(url).hostname or ""]
    return told


def _events(url: str, places: Collection[str]) -> Json:
    heard = [event for place, event in HEARD.items() if place in places]
    return {"event_subscriptions": {"request_url": f"{url}{EVENTS}", "bot_events": heard}} if heard else {}
