"""The bearer token for Getbill: a ready one, or one of an hour fetched with OAuth client credentials.

Serves every call to the API (getbill.md, Hosts and authentication). Fetched once for all who wait for it.
"""

import asyncio
import re
from collections.abc import Callable
from typing import Any

from receiver.errors import PermanentError, RetryLaterError, UncertainError
from receiver.upstream.http import Http

SCOPES = "debts:read debts:write"
USUAL_LIFE_S = 3600.0
EARLY_S = 120.0  # a call may take a while, and clocks differ

_TOKEN = re.compile(r"[\x21-\x7e]{1,8192}")


class Tokens:
    """Hands out the token that is good now. With ``api_token`` there is only that one."""

    def __init__(
        self,
        *,
        api_token: str | None = None,
        endpoint: Http | None = None,
        client_id: str | None = None,
        client_secret: str | None = None,
        now_s: Callable[[], float],
    ) -> None:
        self._ready = api_token
        self._endpoint = endpoint
        self._client = {"client_id": client_id or "", "client_secret": client_secret or ""}
        self._now_s = now_s
        self._fetched: str | None = None
        self._good_until = 0.0
        self._lock = asyncio.Lock()

    async def bearer(self) -> str:
        """Raises DeliveryError when a token has to be fetched and cannot be."""
        if self._ready is not None:
            return self._ready
        async with self._lock:
            if self._fetched is None or self._now_s() >= self._good_until:
                self._fetched, self._good_until = await self._fetch()
            return self._fetched

    async def instead_of(self, refused: str) -> str | None:
        """Another token than the one a 401 refused; None when there is no other."""
        if self._ready is not None:
            return None
        if self._fetched == refused:
            self._fetched = None
        return await self.bearer()

    async def close(self) -> None:
        if self._endpoint is not None:
            await self._endpoint.close()

    async def _fetch(self) -> tuple[str, float]:
        if self._endpoint is None:
            raise PermanentError("unauthorized", "neither api_token nor client_id and client_secret are configured")
        form = {"grant_type": "client_credentials", **self._client, "scope": SCOPES}
        asked_at = self._now_s()
        try:
            reply = await self._endpoint.call("POST", "", form=form, operation="token")
        except UncertainError as error:  # a token granted twice does no harm
            raise RetryLaterError(error.code, error.message) from error
        except PermanentError as error:
            raise PermanentError("unauthorized", f"no token from Getbill: {error.message}") from error
        return _granted(reply.data, asked_at)


def _granted(data: Any, asked_at: float) -> tuple[str, float]:
    """The token in the answer, and until when it is used."""
    given = data if isinstance(data, dict) else {}
    token, life_s = given.get("access_token"), given.get("expires_in")
    if not isinstance(token, str) or not _TOKEN.fullmatch(token):
        raise RetryLaterError("unexpected_answer", "Getbill's token endpoint answered without a token")
    is_sane = isinstance(life_s, int | str) and re.fullmatch(r"[1-9][0-9]{0,8}", str(life_s))
    lives_s = float(life_s) if is_sane and life_s is not None else USUAL_LIFE_S
    return token, asked_at + max(lives_s - EARLY_S, lives_s / 2)
