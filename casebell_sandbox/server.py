"""Serves the sandbox: the four stand-ins and their pages on one port, SMTP on another."""

import asyncio
import socket
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from types import TracebackType
from typing import Self

import uvicorn
import uvloop
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.responses import PlainTextResponse
from starlette.routing import Mount
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp, Receive, Scope, Send

from casebell_sandbox.control import ControlPage
from casebell_sandbox.mail_view import MailView
from casebell_sandbox.pages import HERE
from casebell_sandbox.slack_view import SlackView
from casebell_sandbox.stand_ins import StandIns

READY_WITHIN_S = 20.0


class Sandbox(StandIns):
    """The stand-ins as one ``app``: ``/getbill``, ``/debitura``, ``/slack``, ``/mail`` and the page at ``/``."""

    def __init__(self, casebell_url: str | None = None) -> None:
        super().__init__(casebell_url)
        self.app = Starlette(
            routes=[
                *ControlPage(self).routes,
                Mount("/static", StaticFiles(directory=HERE / "static")),
                Mount("/getbill", self.getbill.app),
                Mount("/debitura", self.debitura.app),
                Mount("/slack", routes=[*SlackView(self.slack).routes, Mount("/", self.slack.app)]),
                Mount("/mail", routes=MailView(self.mail).routes),
            ],
            middleware=[Middleware(_OwnPagesOnly)],
        )

    async def serve(
        self,
        host: str = "127.0.0.1",
        port: int = 8090,
        smtp_port: int = 8091,
        on_ready: Callable[[str], None] | None = None,
    ) -> None:
        """Serve until cancelled. Port 0: any free one. ``on_ready`` gets the URL. Raises OSError if a port is taken."""
        listener = socket.create_server((host, port), backlog=2048)
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)  # else answers wait 40 ms for an ACK
        url = f"http://{host}:{listener.getsockname()[1]}"
        self.getbill.public_url, self.slack.public_url = f"{url}/getbill", f"{url}/slack"
        try:
            await self.mail.start(host, smtp_port)
            await self._serve_pages(listener, url, on_ready)
        finally:
            listener.close()
            await self.mail.stop()

    async def _serve_pages(self, listener: socket.socket, url: str, on_ready: Callable[[str], None] | None) -> None:
        server = _Server(
            uvicorn.Config(
                self.app,
                http="httptools",
                ws="none",
                lifespan="off",
                access_log=False,
                log_config=None,
                log_level="error",
                timeout_graceful_shutdown=1,
            )
        )
        serving = asyncio.create_task(server.serve([listener]))
        try:
            while not server.started and not serving.done():  # noqa: ASYNC110 - uvicorn has a flag, no event
                await asyncio.sleep(0.01)
            if on_ready is not None and server.started:
                on_ready(url)
            await asyncio.shield(serving)
        finally:
            server.should_exit = True
            await serving


class SandboxThread:
    """A context manager for tests that serves a sandbox on free ports in a thread."""

    def __init__(self, casebell_url: str | None = None) -> None:
        self.sandbox = Sandbox(casebell_url)
        self.url = ""
        self._ready: Future[str] = Future()
        self._stop: Callable[[], object] = lambda: None
        self._thread = threading.Thread(target=self._run, name="sandbox", daemon=True)

    @property
    def smtp_port(self) -> int:
        return self.sandbox.mail.port

    def __enter__(self) -> Self:
        self._thread.start()
        self.url = self._ready.result(READY_WITHIN_S)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop()
        self._thread.join(READY_WITHIN_S)

    def _run(self) -> None:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            try:
                runner.run(self._serve())
            except asyncio.CancelledError:
                return
            except BaseException as error:  # noqa: BLE001 - raised in the thread that waits for the sandbox
                if not self._ready.done():
                    self._ready.set_exception(error)

    async def _serve(self) -> None:
        loop, task = asyncio.get_running_loop(), asyncio.current_task()
        assert task is not None
        self._stop = lambda: loop.call_soon_threadsafe(task.cancel)
        await self.sandbox.serve(port=0, smtp_port=0, on_ready=self._ready.set_result)


class _Server(uvicorn.Server):
    """uvicorn without its signal handlers: the caller cancels the task."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


class _OwnPagesOnly:
    """Rejects POST requests from pages of other sites, by the header Sec-Fetch-Site."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope["method"] == "POST":
            site = dict(scope["headers"]).get(b"sec-fetch-site", b"none")
            if site not in {b"none", b"same-origin"}:
                await PlainTextResponse("Only the sandbox's own pages may do this.", 403)(scope, receive, send)
                return
        await self._app(scope, receive, send)
