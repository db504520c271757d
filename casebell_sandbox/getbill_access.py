"""Authentication and rate limits of Getbill's stand-in: tokens, OAuth client credentials, scopes, hourly quotas."""

import hmac
import math
import secrets
from datetime import timedelta
from urllib.parse import parse_qs

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from casebell_sandbox.faults import Clock
from casebell_sandbox.getbill_changes import RefusedCallError
from casebell_sandbox.limits import Window

GRANTED_FOR_S = 3600


class Access:
    """Credentials and quotas of one company; set ``scopes``, ``reads.limit`` or ``writes.limit`` to narrow them."""

    def __init__(self, token: str, reads_per_hour: int, writes_per_hour: int, clock: Clock) -> None:
        self.token = token
        self.client_id = "getbill-client"
        self.client_secret = "getbill-client-secret"  # noqa: S105 - public on purpose, the sandbox's own
        self.scopes = {"debts:read", "debts:write"}
        self.reads = Window(reads_per_hour, 3600)
        self.writes = Window(writes_per_hour, 3600)
        self._clock = clock
        self._granted: dict[str, tuple[float, set[str]]] = {}

    def window(self, scope: str) -> Window:
        return self.writes if scope.endswith(":write") else self.reads

    def revoke_tokens(self) -> None:
        """Invalidate every token that OAuth granted."""
        self._granted.clear()

    def admit(self, request: Request, scope: str) -> None:
        """Raises RefusedCallError: 401 without a valid token, 403 without the scope, 429 over the quota."""
        scheme, _, given = request.headers.get("authorization", "").partition(" ")
        scopes = self._scopes_of(given) if scheme.lower() == "bearer" else None
        if scopes is None:
            raise RefusedCallError(401, "Invalid or missing API token")
        if scope not in scopes & self.scopes:
            raise RefusedCallError(403, f'Required scope "{scope}" not found in token')
        window = self.window(scope)
        if wait_s := window.take(self._clock().timestamp()):
            raise self._too_many(window.limit, wait_s)

    def quota(self, window: Window) -> dict[str, str]:
        """The rate-limit headers of every response."""
        now_s = self._clock().timestamp()
        return {
            "X-RateLimit-Limit": str(window.limit),
            "X-RateLimit-Remaining": str(window.remaining(now_s)),
            "X-RateLimit-Reset": str(math.ceil(window.resets_at(now_s))),
            "X-RateLimit-Window": str(round(window.window_s)),
        }

    def forced_429(self, wait_s: float) -> Response:
        """The answer over the quota, regardless of the count."""
        resets_at = math.ceil(self._clock().timestamp() + wait_s)
        headers = self.quota(self.reads) | {"X-RateLimit-Remaining": "0", "X-RateLimit-Reset": str(resets_at)}
        return JSONResponse(self._too_many(self.reads.limit, wait_s).body, 429, headers)

    async def grant(self, request: Request) -> Response:
        """Grant a token for an hour (OAuth 2.0 client credentials, form-encoded)."""
        form = {key: values[0] for key, values in parse_qs((await request.body()).decode("latin-1")).items()}
        if form.get("grant_type") != "client_credentials":
            return JSONResponse({"error": "unsupported_grant_type"}, 400)
        given = f"{form.get('client_id')}:{form.get('client_secret')}"
        if not hmac.compare_digest(given.encode(), f"{self.client_id}:{self.client_secret}".encode()):
            return JSONResponse({"error": "invalid_client", "error_description": "Client authentication failed"}, 401)
        scopes = set(form["scope"].split()) if "scope" in form else self.scopes
        if not scopes <= self.scopes:
            return JSONResponse({"error": "invalid_scope"}, 400)
        token = secrets.token_urlsafe(32)
        self._granted[token] = (self._clock().timestamp() + GRANTED_FOR_S, set(scopes))
        answer = {"access_token": token, "token_type": "Bearer", "expires_in": GRANTED_FOR_S}
        return JSONResponse(answer | {"scope": " ".join(sorted(scopes))})

    def _scopes_of(self, given: str) -> set[str] | None:
        if hmac.compare_digest(given.encode(), self.token.encode()):
            return self.scopes
        expires_at, scopes = self._granted.get(given, (0.0, set[str]()))
        return scopes if self._clock().timestamp() < expires_at else None

    def _too_many(self, limit: int, wait_s: float) -> RefusedCallError:
        until = (self._clock() + timedelta(seconds=wait_s)).strftime("%Y-%m-%dT%H:%M:%SZ")
        details = {"retry_after": math.ceil(wait_s), "limit": limit, "reset_time": until}
        return RefusedCallError(429, "Rate limit exceeded. Please try again later.", details)
