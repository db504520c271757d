"""The app manifest that ``casebell slack manifest`` prints, built from Casebell's public URL. Pure.

Alerts and buttons need three scopes. Each optional surface adds only the scopes and events that it needs; no scope
reads messages (docs/vendors/slack.md#scopes).
"""

from collections.abc import Collection
from urllib.parse import urlsplit

from notifiers.slack.wire import Json

SCOPES = ("chat:write", "users:read", "users:read.email")
SURFACES = ("home", "command", "links")  # optional
SURFACE_SCOPES = {"home": (), "command": ("commands",), "links": ("links:read", "links:write")}
SURFACE_EVENTS = {"home": "app_home_opened", "links": "link_shared"}

INTERACTIONS, COMMANDS, EVENTS = "/slack/interactions", "/slack/commands", "/slack/events"
MAX_URL = 3_000  # docs/vendors/slack.md#manifest


def manifest(public_url: str, surfaces: Collection[str] = ()) -> Json:
    """The manifest with some of SURFACES. Raises ValueError for a URL that is too long for Slack."""
    url = public_url.rstrip("/")
    scopes = [*SCOPES, *(scope for surface in SURFACES if surface in surfaces for scope in SURFACE_SCOPES[surface])]
    if len(url) + len(INTERACTIONS) > MAX_URL:
        raise ValueError(f"Slack accepts request URLs of at most {MAX_URL} characters")
    return {
        "_metadata": {"major_version": 1, "minor_version": 1},
        "display_information": {
            "name": "Casebell",
            "description": "Rings when a debt-collection case needs a person, and takes the decision.",
            "background_color": "#1f3a5f",
        },
        "features": _features(url, surfaces),
        "oauth_config": {"scopes": {"bot": scopes}},
        "settings": {
            **_event_settings(url, surfaces),
            "interactivity": {"is_enabled": True, "request_url": f"{url}{INTERACTIONS}"},
            "org_deploy_enabled": False,
            "socket_mode_enabled": False,
            "token_rotation_enabled": False,
        },
    }


def _features(url: str, surfaces: Collection[str]) -> Json:
    features: Json = {"bot_user": {"display_name": "Casebell", "always_online": True}}
    if "home" in surfaces:
        features["app_home"] = {"home_tab_enabled": True, "messages_tab_enabled": True}
        features["app_home"]["messages_tab_read_only_enabled"] = True
    if "command" in surfaces:
        features["slash_commands"] = [
            {
                "command": "/casebell",
                "url": f"{url}{COMMANDS}",
                "description": "Find an item, list what waits, put something off",
                "usage_hint": "find INV-1 | list | snooze INV-1 | help",
                "should_escape": False,
            }
        ]
    if "links" in surfaces:
        features["unfurl_domains"] = [urlsplit(url).hostname or ""]
    return features


def _event_settings(url: str, surfaces: Collection[str]) -> Json:
    events = [event for surface, event in SURFACE_EVENTS.items() if surface in surfaces]
    return {"event_subscriptions": {"request_url": f"{url}{EVENTS}", "bot_events": events}} if events else {}
