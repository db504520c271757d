"""The Web API of Slack's stand-in: authentication, rate limits, the methods that Casebell calls, Slack's error codes.

Like Slack it answers errors with 200 and ``ok: false``; only a rate limit is a 429.
"""

import hmac
import math
from collections.abc import Callable
from typing import Any

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from casebell_sandbox import slack_rules as rules
from casebell_sandbox.faults import Faults, Json
from casebell_sandbox.posted import parse_json, read_fields
from casebell_sandbox.slack_payloads import APP_ID, BOT_ID, BOT_USER, TEAM
from casebell_sandbox.slack_workspace import ResponseUrl, Workspace, with_ids

MAX_TEXT = 40_000
Method = Callable[[Json], Json]


class ApiError(Exception):
    """A call answered with ``ok: false`` and this code; ``reasons``: the messages that go with it."""

    def __init__(self, code: str, *reasons: str) -> None:
        super().__init__(code)
        self.answer: Json = {"ok": False, "error": code}
        if reasons:
            self.answer |= {"errors": list(reasons), "response_metadata": {"messages": list(reasons)}}


def too_many(wait_s: float) -> Response:
    headers = {"Retry-After": str(max(1, math.ceil(wait_s)))}
    return JSONResponse({"ok": False, "error": "ratelimited"}, 429, headers)


class SlackApi:
    """The methods by name; each gets the call's arguments and returns the answer's fields beside ``ok: true``."""

    def __init__(self, workspace: Workspace, token: Callable[[], str], faults: Faults) -> None:
        self._workspace = workspace
        self._token = token
        self._methods: dict[str, Method] = {
            "auth.test": self._auth_test,
            "chat.postMessage": self._post,
            "chat.update": self._update,
            "chat.postEphemeral": self._post_ephemeral,
            "chat.delete": self._delete,
            "chat.unfurl": self._unfurl,
            "conversations.info": lambda args: {"channel": self._channel(args)},
            "users.info": self._user,
            "users.lookupByEmail": self._by_email,
            "views.publish": self._publish_view,
            "views.open": self._open_view,
            "views.update": self._update_view,
        }
        self.app = Starlette(
            routes=[
                Route("/api/{method}", self._call, methods=["POST"]),
                Route("/response/{key}", self._respond, methods=["POST"]),
            ],
            middleware=[Middleware(faults.wrap)],
        )

    async def _call(self, request: Request) -> Response:
        try:
            args = await _arguments(request)
            self._authorize(request, args)
            name, method = self._method_of(request)
            if wait_s := self._workspace.limits.take(name, str(args.get("channel", "")), self._workspace.now_s()):
                return too_many(wait_s)
            answer = {"ok": True} | method(args)
        except ApiError as error:
            answer = error.answer
        return JSONResponse(answer, headers={"X-OAuth-Scopes": self._workspace.scopes})

    def _authorize(self, request: Request, args: Json) -> None:
        scheme, _, token = request.headers.get("authorization", "").partition(" ")
        given = token.strip() if scheme.lower() == "bearer" else str(args.get("token") or "")
        if not given:
            raise ApiError("not_authed")
        if not hmac.compare_digest(given.encode(), self._token().encode()):
            raise ApiError("invalid_auth")

    def _method_of(self, request: Request) -> tuple[str, Method]:
        name = request.path_params["method"]
        if name not in self._methods:
            raise ApiError("unknown_method")
        return name, self._methods[name]

    def _auth_test(self, _args: Json) -> Json:
        result = {"team": "Creditor", "team_id": TEAM["id"], "user": "casebell", "user_id": BOT_USER, "bot_id": BOT_ID}
        return {"url": self._workspace.public_url, "app_id": APP_ID, **result}

    def _post(self, args: Json) -> Json:
        channel = self._channel_to_post(args)
        text, blocks = self._content(args)
        thread_ts = args.get("thread_ts") or None
        if thread_ts is not None and (channel["id"], str(thread_ts)) not in self._workspace.messages:
            raise ApiError("thread_not_found")
        message = self._workspace.new_message(channel["id"], text, blocks, thread_ts=thread_ts)
        message.is_broadcast = thread_ts is not None and args.get("reply_broadcast") in {True, "true", "1"}
        return {"channel": message.channel, "ts": message.ts, "message": message.as_json()}

    def _update(self, args: Json) -> Json:
        """Without ``blocks`` the old ones stay: docs/vendors/slack.md#messages-and-threads"""
        channel, ts = self._channel(args)["id"], str(_required(args, "ts"))
        message = self._workspace.messages.get((channel, ts))
        if message is None:
            raise ApiError("message_not_found")
        text, blocks = self._content(args)
        if "blocks" in args:
            message.blocks = with_ids(blocks)
        message.text = text
        message.edits += 1
        return {"channel": channel, "ts": ts, "text": text, "message": message.as_json()}

    def _post_ephemeral(self, args: Json) -> Json:
        channel, user = self._channel_to_post(args), self._workspace.users.get(str(_required(args, "user")))
        if user is None or user.get("deleted") or user.get("is_bot"):
            raise ApiError("user_not_in_channel")
        text, blocks = self._content(args)
        return {"message_ts": self._workspace.new_message(channel["id"], text, blocks, ephemeral_to=user["id"]).ts}

    def _delete(self, args: Json) -> Json:
        channel, ts = self._channel(args)["id"], str(_required(args, "ts"))
        if self._workspace.messages.pop((channel, ts), None) is None:
            raise ApiError("message_not_found")
        return {"channel": channel, "ts": ts}

    def _unfurl(self, args: Json) -> Json:
        """Previews for the links of one message, identified as in its ``link_shared`` event."""
        if "links:write" not in self._workspace.scopes.split(","):
            raise ApiError("missing_scope")
        key = str(args.get("unfurl_id") or args.get("ts") or "")
        if key not in self._workspace.shared_links:
            raise ApiError("cannot_unfurl_url")
        previews = _structure(args, "unfurls")
        if not isinstance(previews, dict) or not set(previews) <= {self._workspace.shared_links[key]}:
            raise ApiError("cannot_unfurl_url")
        for preview in previews.values():
            if found := rules.violations(preview.get("blocks") if isinstance(preview, dict) else None, ""):
                raise ApiError("invalid_blocks", *found)
        self._workspace.previews |= previews
        return {}

    def _user(self, args: Json) -> Json:
        user = self._workspace.users.get(str(_required(args, "user")))
        if user is None:
            raise ApiError("user_not_found")
        return {"user": user}

    def _by_email(self, args: Json) -> Json:
        wanted = str(_required(args, "email")).lower()
        for user in list(self._workspace.users.values()):
            if not user.get("deleted") and (user["profile"].get("email") or "").lower() == wanted:
                return {"user": user}
        raise ApiError("users_not_found")

    def _open_view(self, args: Json) -> Json:
        ticket, view = self._workspace.tickets.get(str(_required(args, "trigger_id"))), _view(args)
        if ticket is None:
            raise ApiError("invalid_trigger_id")
        if ticket.is_used:
            raise ApiError("exchanged_trigger_id")
        if self._workspace.now_s() > ticket.until_s:
            raise ApiError("expired_trigger_id")
        ticket.is_used = True
        return {"view": self._workspace.show_view(ticket.user, view)}

    def _publish_view(self, args: Json) -> Json:
        user, view = self._workspace.users.get(str(_required(args, "user_id"))), _view(args, "home")
        if not self._workspace.is_home_enabled:
            raise ApiError("not_enabled")
        if user is None:
            raise ApiError("invalid_arguments", "[ERROR] invalid `user_id`")
        return {"view": self._workspace.show_home(user["id"], view)}

    def _update_view(self, args: Json) -> Json:
        view_id, external_id = args.get("view_id"), args.get("external_id")
        if not view_id and not external_id:
            raise ApiError("invalid_arguments", "[ERROR] missing required field: view_id")
        view = _view(args)
        for user, shown in list(self._workspace.views.items()):
            if shown["id"] == view_id or (external_id and shown["external_id"] == external_id):
                if args.get("hash") not in {None, shown["hash"]}:
                    raise ApiError("hash_conflict")
                return {"view": self._workspace.show_view(user, view, shown["id"])}
        raise ApiError("not_found")

    def _channel(self, args: Json) -> Json:
        channel = self._workspace.channels.get(str(_required(args, "channel")))
        if channel is None:
            raise ApiError("channel_not_found")
        return channel

    def _channel_to_post(self, args: Json) -> Json:
        """The channel to which a message may be posted; for a user's id, the direct-message channel with them."""
        wanted = str(_required(args, "channel"))
        if wanted in self._workspace.users:
            if self._workspace.users[wanted].get("is_bot"):
                raise ApiError("cannot_dm_bot")
            return self._workspace.direct_channel(wanted)
        channel = self._channel(args)
        if channel.get("is_archived"):
            raise ApiError("is_archived")
        if not channel.get("is_member", True):
            raise ApiError("not_in_channel")
        return channel

    def _content(self, args: Json) -> tuple[str, list[Json]]:
        """Text and blocks of a message. Raises ApiError if Slack would refuse them."""
        text, blocks = str(args.get("text") or "")[:MAX_TEXT], _structure(args, "blocks") or []
        found = rules.violations(blocks, text)
        for code in (rules.NO_TEXT, rules.TOO_LONG):
            if code in found:
                raise ApiError(code)
        if found:
            raise ApiError("invalid_blocks", *found)
        return text, blocks

    async def _respond(self, request: Request) -> Response:
        """A POST to a response_url: docs/vendors/slack.md#timing"""
        url = self._workspace.response_urls.get(request.path_params["key"])
        if url is None or url.left <= 0 or self._workspace.now_s() > url.until_s:
            return PlainTextResponse("used_url", 404)
        try:
            self._answer_click(url, await _arguments(request))
        except ApiError as error:
            return JSONResponse(error.answer)
        return PlainTextResponse("ok")

    def _answer_click(self, url: ResponseUrl, args: Json) -> None:
        """Delete or replace the clicked message, or send the user an ephemeral one."""
        url.left -= 1
        clicked = url.message
        if clicked and args.get("delete_original") is True:
            self._workspace.messages.pop((clicked.channel, clicked.ts), None)
            self._workspace.ephemerals[:] = [one for one in self._workspace.ephemerals if one is not clicked]
            return
        text, blocks = self._content(args)
        if clicked and args.get("replace_original") is True:
            clicked.text, clicked.blocks, clicked.edits = text, with_ids(blocks), clicked.edits + 1
        else:
            self._workspace.new_message(url.channel, text, blocks, ephemeral_to=url.user)


async def _arguments(request: Request) -> Json:
    try:
        return await read_fields(request)
    except ValueError:
        raise ApiError("invalid_json") from None


def _required(args: Json, name: str) -> Any:
    value = args.get(name)
    if value is None or value == "":
        raise ApiError("invalid_arguments", f"[ERROR] missing required field: {name}")
    return value


def _structure(args: Json, name: str) -> Any:
    """An argument that is JSON, also if a form sends it as text."""
    value = args.get(name)
    if not isinstance(value, str):
        return value
    try:
        return parse_json(value)
    except ValueError:
        raise ApiError("invalid_blocks_format" if name == "blocks" else "invalid_arguments") from None


def _view(args: Json, kind: str = "modal") -> Json:
    view: Any = _structure(args, "view")
    if view is None:
        raise ApiError("invalid_arguments", "[ERROR] missing required field: view")
    if isinstance(view, dict) and view.get("type") != kind:
        raise ApiError("invalid_arguments", f"[ERROR] must be a view of type {kind} [json-pointer:/view/type]")
    if reasons := rules.view_violations(view):
        raise ApiError("invalid_arguments", *reasons)
    result: Json = view
    return result
