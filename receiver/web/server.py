"""The listening socket, uvicorn with our connection limits, and the signals that stop the process.

It knows neither settings nor store; ``receiver/app`` passes the application.
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
SHUTDOWN_TIMEOUT_S = 5  # for responses that are being sent
_CURES = {
    errno.EADDRINUSE: "is in use; stop the other process or take another with --port",
    errno.EACCES: "needs privileges that this process does not have; take one above 1023 with --port",
    errno.EADDRNOTAVAIL: "is not available: this machine does not have that address; take another with --host",
}


def listen(host: str, port: int) -> socket.socket:
    """Open the listening socket. Raises ConfigError with the cause and what to do about it."""
    try:
        family, *_, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0]
        return socket.create_server(address[:2], family=family, backlog=BACKLOG)
    except socket.gaierror:
        raise ConfigError(f"--host {host}: this is not an address of this machine") from None
    except (OSError, OverflowError) as error:
        cure = _CURES.get(getattr(error, "errno", 0) or 0, f"cannot be opened: {error}")
        raise ConfigError(f"port {port} on {host} {cure}") from None


def url_of(listener: socket.socket) -> str:
    """The URL of the socket, for commands on this machine."""
    host, port = listener.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


class Server(uvicorn.Server):
    """uvicorn with connection limits and without its signal handlers: the loops end first, then the web server."""

    def __init__(self, app: ASGIApp, limits: ConnectionLimits) -> None:
        super().__init__(
            uvicorn.Config(
                app,
                interface="asgi3",
                loop="uvloop",
                http=partial(LimitedProtocol, limits=limits),  # type: ignore[arg-type]  # called like the class
                ws="none",
                access_log=False,
                log_config=None,
                server_header=False,
                proxy_headers=False,
                backlog=BACKLOG,
                timeout_keep_alive=limits.idle_timeout_s,
                timeout_graceful_shutdown=SHUTDOWN_TIMEOUT_S,
            )
        )

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


@contextmanager
def stop_on_signals(stop: asyncio.Event) -> Iterator[None]:
    """SIGTERM or SIGINT sets ``stop``. A second one ends the process at once; the store survives that at any moment."""
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, _handle_signal, stop, number)
    try:
        yield
    finally:
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.remove_signal_handler(number)


def _handle_signal(stop: asyncio.Event, number: signal.Signals) -> None:
    if stop.is_set():
        signal.signal(number, signal.SIG_DFL)
        os.kill(os.getpid(), number)
    stop.set()
