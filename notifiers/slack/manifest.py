"""Before the walk: what Slack must be told of the app, from Casebell's own address. Pure.

The alerts and their buttons need three scopes (contract A10), and none that reads what people write to each other.
"""

from typing import Any

SCOPES = ("chat:write", "users:read", "users:read.email")

INTERACTIONS = "/slack/interactions"
MAX_URL = 3_000  # of a request URL, by Slack's own schema of manifests

Json = dict[str, Any]


def manifest(public_url: str) -> Json:
    """The app as Slack's "From a manifest" takes it. Raises ValueError for an address that Slack does not take."""
    public_url = public_url.rstrip("/")
    if len(public_url) + len(INTERACTIONS) > MAX_URL:
        raise ValueError(f"Slack takes no request URL above {MAX_URL} characters")
    return {
        "_metadata": {"major_version": 1, "minor_version": 1},
        "display_information": {
            "name": "Casebell",
            "description": "Rings when a debt-collection case needs a person, and takes the decision.",
            "background_color": "#1f3a5f",
        },
        "features": {"bot_user": {"display_name": "Casebell", "always_online": True}},
        "oauth_config": {"scopes": {"bot": list(SCOPES)}},
        "settings": {
            "interactivity": {"is_enabled": True, "request_url": f"{public_url}{INTERACTIONS}"},
            "org_deploy_enabled": False,
            "socket_mode_enabled": False,
            "token_rotation_enabled": False,
        },
    }
