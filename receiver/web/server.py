"""Step 1, before any byte: the socket, the web server with our limits, and the signals that close it.

Knows no settings and no store; ``main`` hands it the application.
"""

import asyncio
import errno
import os
import signal
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial

import uvicorn
from starlette.types import ASGIApp

from receiver.errors import ConfigError
from receiver.web.connection_limits import ConnectionLimits, LimitedProtocol

BACKLOG = 2048
CLOSES_WITHIN_S = 5  # at a stop, for answers that are under way
_CURES = {
    errno.EADDRINUSE: "is in use; stop the other process or take another with --port",
    errno.EACCES: "is not for everybody; take one above 1023 with --port",
    errno.EADDRNOTAVAIL: "is not to be had: this machine does not have that address; take another with --host",
}


def listen(host: str, port: int) -> socket.socket:
    """A socket that takes connections from now on. Raises ConfigError with the cure when it cannot be had."""
    try:
        family, *_, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0]
        return socket.create_server(address[:2], family=family, backlog=BACKLOG)
    except socket.gaierror:
        raise ConfigError(f"--host {host}: this is no address of this machine") from None
    except (OSError, OverflowError) as error:
        cure = _CURES.get(getattr(error, "errno", 0) or 0, f"cannot be listened on: {error}")
        raise ConfigError(f"port {port} on {host} {cure}") from None


def url_of(listening: socket.socket) -> str:
    """Where commands on this machine reach the socket."""
    host, port = listening.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


class Server(uvicorn.Server):
    """uvicorn behind our door and without its own signal handlers: the loops drain first, then the door closes."""

    def __init__(self, app: ASGIApp, doorway: ConnectionLimits) -> None:
        super().__init__(
            uvicorn.Config(
                app,
                interface="asgi3",
                loop="uvloop",
                http=partial(LimitedProtocol, doorway=doorway),  # type: ignore[arg-type]  # called like the class
                ws="none",
                access_log=False,
                log_config=None,
                server_header=False,
                proxy_headers=False,
                backlog=BACKLOG,
                timeout_keep_alive=doorway.idle_s,
                timeout_graceful_shutdown=CLOSES_WITHIN_S,
            )
        )

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


@contextmanager
def stopping(stop: asyncio.Event) -> Iterator[None]:
    """SIGTERM or SIGINT sets ``stop``; a second one ends the process at once, as the store can bear at any moment."""
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, _stop, stop, number)
    try:
        yield
    finally:
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.remove_signal_handler(number)


def _stop(stop: asyncio.Event, number: signal.Signals) -> None:
    if stop.is_set():
        signal.signal(number, signal.SIG_DFL)
        os.kill(os.getpid(), number)
    stop.set()
