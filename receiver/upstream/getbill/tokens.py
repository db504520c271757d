"""The bearer token for Getbill: a configured one, or a one-hour token from OAuth 2.0 client credentials.

Concurrent callers share one token request. docs/vendors/getbill.md#hosts-and-authentication
"""

import asyncio
import re
from collections.abc import Callable
from typing import Any

from receiver.errors import PermanentError, RetryLaterError, UncertainError
from receiver.upstream.http import Http

SCOPES = "debts:read debts:write"
DEFAULT_LIFETIME_S = 3600.0
RENEW_EARLY_S = 120.0  # covers the duration of a call and clock skew

_TOKEN = re.compile(r"[\x21-\x7e]{1,8192}")


class Tokens:
    """Returns the current token. With ``api_token`` that is the only one."""

    def __init__(
        self,
        *,
        api_token: str | None = None,
        endpoint: Http | None = None,
        client_id: str | None = None,
        client_secret: str | None = None,
        now_s: Callable[[], float],
    ) -> None:
        self._api_token = api_token
        self._endpoint = endpoint
        self._client = {"client_id": client_id or "", "client_secret": client_secret or ""}
        self._now_s = now_s
        self._token: str | None = None
        self._expires_at = 0.0
        self._lock = asyncio.Lock()

    async def bearer(self) -> str:
        """Return the token. Raises DeliveryError when a new one is needed and cannot be fetched."""
        if self._api_token is not None:
            return self._api_token
        async with self._lock:
            if self._token is None or self._now_s() >= self._expires_at:
                self._token, self._expires_at = await self._fetch()
            return self._token

    async def replace_rejected(self, rejected: str) -> str | None:
        """Return a new token in place of one that got a 401; None when there is only a configured one."""
        if self._api_token is not None:
            return None
        if self._token == rejected:
            self._token = None
        return await self.bearer()

    async def close(self) -> None:
        if self._endpoint is not None:
            await self._endpoint.close()

    async def _fetch(self) -> tuple[str, float]:
        if self._endpoint is None:
            raise PermanentError("unauthorized", "neither api_token nor client_id and client_secret are configured")
        form = {"grant_type": "client_credentials", **self._client, "scope": SCOPES}
        requested_at = self._now_s()
        try:
            reply = await self._endpoint.call("POST", "", form=form, operation="token")
        except UncertainError as error:  # a second token does no harm
            raise RetryLaterError(error.code, error.message) from error
        except PermanentError as error:
            raise PermanentError("unauthorized", f"no token from Getbill: {error.message}") from error
        return _parse_grant(reply.data, requested_at)


def _parse_grant(data: Any, requested_at: float) -> tuple[str, float]:
    """Return the token and the Unix second until which it is used."""
    grant = data if isinstance(data, dict) else {}
    token, expires_in = grant.get("access_token"), grant.get("expires_in")
    if not isinstance(token, str) or not _TOKEN.fullmatch(token):
        raise RetryLaterError("unexpected_answer", "Getbill's token endpoint answered without a token")
    is_sane = isinstance(expires_in, int | str) and re.fullmatch(r"[1-9][0-9]{0,8}", str(expires_in))
    lifetime_s = float(expires_in) if is_sane and expires_in is not None else DEFAULT_LIFETIME_S
    return token, requested_at + max(lifetime_s - RENEW_EARLY_S, lifetime_s / 2)
