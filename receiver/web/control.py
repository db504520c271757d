"""``POST /control``: commands reach the running service here, because it alone may open its SQLite database.

The body is a token signed with ``secret_keys`` and valid for a minute: who can read the configuration may send
commands (docs/decisions/0005).
"""

from datetime import datetime
from typing import Any

from pydantic import TypeAdapter, ValidationError
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from receiver.context import Adapters
from receiver.domain.action import Click
from receiver.errors import CasebellError, RejectedError, RetryLaterError
from receiver.operations.digests import make_now
from receiver.operations.replay import replay, retry
from receiver.operations.retention import purge
from receiver.store import suppression
from receiver.sync.reconcile import reconcile_each
from receiver.web.login import make_link
from receiver.web.request_body import STATUS_OF_ERROR, read_body
from receiver.web.submit_action import submit_action

TOKEN_LIFETIME_S = 60
MAX_PURGE_S = 10.0  # for one request; the command sends another
_click = TypeAdapter(Click)


async def control(request: Request) -> Response:
    """Run the command and answer with its result."""
    adapters: Adapters = request.app.state.adapters
    try:
        token = (await read_body(request)).decode("ascii", "replace")
        command = adapters.rules.tokens.open("control.v1", token, TOKEN_LIFETIME_S)
        return JSONResponse(await run(adapters, command))
    except RejectedError as error:
        return JSONResponse({"error": error.code}, STATUS_OF_ERROR.get(error.code, 400))
    except ValidationError:
        return JSONResponse({"error": "bad_request"}, 400)
    except RetryLaterError as error:
        return JSONResponse({"error": error.code, "message": error.message}, 503, headers={"Retry-After": "5"})
    except CasebellError as error:
        return JSONResponse({"error": error.code, "message": error.message}, 409)


async def run(adapters: Adapters, command: Any) -> dict[str, Any]:
    """The result of a command. Raises RejectedError if it is unknown, else what the command raises."""
    match command:
        case {"do": "act", "click": str(click)}:
            refusal = await submit_action(adapters, _click.validate_json(click), locale="en")
            return {"refusal": refusal}
        case {"do": "retry", "ids": list() | None as ids}:
            retried = await retry(adapters, None if ids is None else [int(id_) for id_ in ids])
            return {"due": list(retried.due), "refused": {str(id_): why for id_, why in retried.refused.items()}}
        case {"do": "replay", "event": event, "since": since, "quarantined": bool(is_quarantined)}:
            begin = datetime.fromisoformat(since) if since else None
            return {"count": await replay(adapters, event_id=event, since=begin, is_quarantined=is_quarantined)}
        case {"do": "ping", "word": str(word)}:
            return {"pong": word}
        case {"do": "purge"}:
            erased, is_all = await purge(adapters, max_duration_s=MAX_PURGE_S)
            return {"erased": erased, "is_all": is_all}
        case {"do": "reconcile", "account": account, "full": bool(full)}:
            return dict(await reconcile_each(adapters, account, is_full=full))
        case {"do": "digest", "name": str(name)}:
            return {"destinations": await make_now(adapters, name)}
        case {"do": "login", "address": str(address)}:
            return {"url": await make_link(adapters, address)}
        case {"do": "allow", "address": str(address)}:
            return {"lifted": await adapters.database.write(suppression.lift, address)}
        case _:
            raise RejectedError("unknown_command")
