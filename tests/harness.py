"""The real thing for tests: the service as a process of its own, the sandbox beside it, both over real sockets."""

import itertools
import os
import signal
import socket
import subprocess
import sys
import time
import tomllib
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, TypeVar

import httpx
from sqlalchemy import create_engine

from casebell_sandbox.demo import write_configuration
from casebell_sandbox.server import Sandbox, SandboxThread
from receiver.cli.items import as_document
from receiver.store import items
from tests import sqlite_file
from tests.forked import Forked, casebell

T = TypeVar("T")
ROOT = Path(__file__).parent.parent
PATIENCE_S = 180.0
# A connection each, as the service may be killed and started again on the same port; TLS is not needed here.
HTTP = httpx.Client(trust_env=False, verify=False, timeout=15, limits=httpx.Limits(max_keepalive_connections=0))

PORTS_EACH = 1_000
_ports = itertools.count()


def free_port() -> int:
    """A port nobody takes before the service does: below those the kernel gives to clients, a range each worker."""
    first = 10_000 + PORTS_EACH * int(os.environ.get("PYTEST_XDIST_WORKER", "gw0")[2:])
    for n in _ports:
        port = first + (os.getpid() + n) % PORTS_EACH
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
    raise AssertionError("unreachable: the count has no end")


def eventually(look: Callable[[], T | None], what: str, patience_s: float = PATIENCE_S, every_s: float = 0.02) -> T:
    """The first true answer of ``look``; fails with ``what`` when there is none in time."""
    until = time.monotonic() + patience_s
    while time.monotonic() < until:
        found = look()
        if found:
            return found
        time.sleep(every_s)
    raise AssertionError(f"waited {patience_s:.0f} s in vain: {what}")


class Service:
    """``casebell serve`` on a configuration; can be killed and started again on the same database.

    ``is_forked`` False: by an interpreter of its own, as a bench needs it and a test of how ``python -m`` ends.
    """

    is_forked = True

    def __init__(self, config: Path, port: int, log_name: str = "service.log") -> None:
        self.config = config
        self.url = f"http://127.0.0.1:{port}"
        self.log = config.with_name(log_name)
        self.log.touch()
        self.environment: dict[str, str] = {}
        self._port = port
        self._process: Forked | subprocess.Popen[bytes] | None = None

    def start(self, *extra: str, module: str = "receiver") -> None:
        """Start and wait until it is ready. ``module`` and ``extra``: a launcher that dies at a named point."""
        words = [*extra, "serve", "--port", str(self._port), "--config", str(self.config)]
        is_forked = self.is_forked and not self.environment
        self._process = Forked(module, words, self.log, self.log) if is_forked else self._opened(module, words)
        eventually(self._is_ready, f"the service to be ready; its log is {self.log}")

    def _opened(self, module: str, words: list[str]) -> subprocess.Popen[bytes]:
        with self.log.open("ab") as log:
            return subprocess.Popen(
                [sys.executable, "-m", module, *words],
                cwd=ROOT, env={**os.environ, **self.environment}, stdout=log, stderr=log,
            )  # fmt: skip

    @property
    def database_url(self) -> str:
        written: str = tomllib.loads(self.config.read_text())["database_url"]
        return written

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    def resident_bytes(self) -> int:
        """Its memory now; 0 where there is no /proc."""
        status = Path(f"/proc/{self.pid}/statm")
        return int(status.read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") if status.exists() else 0

    def start_deadly(self, when: str, work: str, *, from_start: bool = False) -> None:
        """Start it so that it dies ``before`` or ``after`` this work is written (``tests/crash``).

        ``from_start``: already while it starts, so that it may never be ready; else once it is ready.
        """
        armed = self.config.with_name("armed")
        armed.unlink(missing_ok=True)
        if from_start:
            armed.touch()
        self.start(when, work, str(armed), module="tests.crash")
        armed.touch()

    def kill(self) -> None:
        """As the kernel or a power cut would: no goodbye."""
        os.kill(self.pid, signal.SIGKILL)
        self.wait()

    def signal(self, number: int) -> None:
        os.kill(self.pid, number)

    def stop(self) -> int:
        """Ask it to end, as an orchestrator does; its exit code."""
        if self._process is None or self._process.poll() is not None:
            return 0
        self._process.send_signal(signal.SIGTERM)
        return self.wait()

    def wait(self) -> int:
        assert self._process is not None
        return self._process.wait(PATIENCE_S)

    def is_running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def command(self, *words: str) -> subprocess.CompletedProcess[str]:
        """Run ``casebell WORDS`` on the same configuration."""
        return casebell(*words, "--config", str(self.config))

    def items(self) -> list[dict[str, Any]]:
        """What ``casebell items --json`` lists, read from the database: many tests wait for it."""
        engine = create_engine(self.database_url)
        try:
            with engine.connect() as connection:
                return [as_document(item) for item in items.list_items(connection)]
        finally:
            engine.dispose()

    def post(self, path: str, body: bytes, headers: dict[str, str]) -> httpx.Response:
        return HTTP.post(f"{self.url}{path}", content=body, headers=headers)

    def _is_ready(self) -> bool:
        assert self._process is not None
        if (code := self._process.poll()) is not None:
            raise AssertionError(f"the service ended with {code}:\n{self.log.read_text()[-3000:]}")
        try:
            return HTTP.get(f"{self.url}/readyz").status_code == 200
        except httpx.TransportError:
            return False


class World:
    """The sandbox and a service that points at it."""

    def __init__(self, sandbox: Sandbox, service: Service, sandbox_url: str) -> None:
        self.sandbox = sandbox
        self.sandbox_url = sandbox_url
        self.service = service
        self.replicas = [service]
        self._turn = itertools.count()
        self.getbill = sandbox.getbill
        self.debitura = sandbox.debitura
        self.slack = sandbox.slack
        self.mail = sandbox.mail

    def getbill_event(self, body: bytes, **headers: str) -> httpx.Response:
        """Send a Getbill webhook to the next replica, signed unless ``headers`` say otherwise."""
        service = self.replicas[next(self._turn) % len(self.replicas)]
        return service.post("/webhooks/getbill/main", body, {**self.getbill.sign(body), **headers})

    def dispute(self, **facts: Any) -> dict[str, Any]:
        """A debtor disputes in Getbill's portal, and Getbill tells."""
        todo = self.getbill.add("portal_dispute", **facts)
        assert self.getbill_event(self.getbill.event(todo)).status_code in {200, 202}
        return todo

    def send_until_dead(self, event: bytes) -> None:
        """Send an event that kills the service, before or after it is answered."""
        with suppress(httpx.TransportError):
            self.getbill_event(event)
        eventually(lambda: not self.service.is_running(), "the service to die at the named point")

    def posts(self, channel: str) -> list[Any]:
        return list(self.slack.posts(channel))

    def heal(self) -> None:
        """Switch off what is to go wrong at the stand-ins, open the channels, and close the forms."""
        for stand in (self.getbill, self.debitura, self.slack):
            stand.faults.down, stand.faults.hang_s, stand.faults.refuse = False, 0.0, None
        for channel in self.slack.channels.values():
            channel["is_archived"] = False
        for user in list(self.slack.views):
            self.slack.close_view(user)


@contextmanager
def world(folder: Path, *, is_started: bool = True, replicas: int = 1, **configuration: str) -> Iterator[World]:
    """A sandbox and, unless ``is_started`` is False, a running service with its files in ``folder``.

    ``replicas``: so many services on the same database, which then is PostgreSQL; started at the same moment.
    """
    port = free_port()
    if "database_url" not in configuration:
        sqlite_file.lay(folder)
    with SandboxThread(casebell_url=f"http://127.0.0.1:{port}") as stand_ins:
        config = write_configuration(
            folder,
            public_url=f"http://127.0.0.1:{port}",
            sandbox_url=stand_ins.url,
            smtp_port=stand_ins.smtp_port,
            **{"getbill_poll": "2s", "debitura_poll": "1s", **configuration},  # type: ignore[arg-type]
        )
        here = World(stand_ins.sandbox, Service(config, port), stand_ins.url)
        here.replicas += [Service(config, free_port(), f"service-{n}.log") for n in range(2, replicas + 1)]
        try:
            if is_started:
                with ThreadPoolExecutor() as threads:
                    list(threads.map(Service.start, here.replicas))
            yield here
        finally:
            for service in here.replicas:
                service.stop()
