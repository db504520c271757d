"""How commands reach the data: through the running service, or through the database when none runs.

Reading needs no lock. A SQLite file has one owner: a command that writes is sent to the running service, signed with
``secret_keys``, and uses the database itself when no service runs. On PostgreSQL a command is one more replica.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import httpx

from receiver.domain.token import Tokens
from receiver.errors import CasebellError, ConfigError
from receiver.settings import Settings
from receiver.store.database import is_shared, open_existing, sqlite_path
from receiver.store.sqlite import FileLock

ANSWER_WITHIN_S = 120.0


def find_service(settings: Settings) -> str | None:
    """The address of the service that owns the SQLite file; None if none runs, and on PostgreSQL.

    Raises ConfigError when the owner does not listen anywhere.
    """
    if is_shared(settings.database_url):
        return None
    holder = FileLock.holder(sqlite_path(settings.database_url))
    if holder is None:
        return None
    url = holder.get("url")
    if not url:
        raise ConfigError(f"process {holder.get('pid')} uses the database and listens nowhere; wait for it to end")
    return str(url)


async def send_command(settings: Settings, url: str, command: dict[str, Any]) -> dict[str, Any]:
    """The answer of the service at ``url`` to a signed command. Raises CasebellError when it refuses."""
    token = Tokens([key.get_secret_value() for key in settings.secret_keys]).make("control.v1", command)
    async with httpx.AsyncClient(timeout=ANSWER_WITHIN_S, trust_env=False) as client:
        reply = await client.post(f"{url}/control", content=token)
    answer: dict[str, Any] = reply.json()
    if reply.status_code != httpx.codes.OK:
        raise CasebellError(answer.get("error", "refused"), answer.get("message", f"the service at {url} refused"))
    return answer


async def run_command(settings: Settings, command: dict[str, Any]) -> dict[str, Any]:
    """The result of a command of ``receiver.web.control``: of the running service or, without one, of this process."""
    url = find_service(settings)
    if url is not None:
        return await send_command(settings, url, command)
    from receiver.app import open_adapters
    from receiver.web import control

    async with open_adapters(settings) as adapters:
        return await control.run(adapters, command)


async def read_store(settings: Settings, work: Any) -> Any:
    """The result of ``work(connection)``, read with or without a running service. Raises ConfigError."""
    async with open_reader(settings) as read:
        return await read(work)


@asynccontextmanager
async def open_reader(settings: Settings) -> AsyncIterator[Callable[..., Awaitable[Any]]]:
    """``read(work, *args)`` of the database, with or without a running service. Raises ConfigError."""
    database = await asyncio.to_thread(open_existing, settings.database_url)
    try:
        yield database.read
    finally:
        await database.close()
