"""``python -m tests.broken FAULT serve …``: the service on a SQLite file that suffers what the file FAULT says.

``full`` and ``readonly`` happen to the writing connection; ``odd`` and more words: writing breaks with these words, as
a fault of ours would that quotes what it worked on; ``slow`` and seconds: each commit takes so much longer. No such
file: nothing. A word can come and go while it runs.
"""

import argparse
import time
from pathlib import Path

import uvloop
from sqlalchemy import Connection, event

from receiver import observability
from receiver.app import serve
from receiver.settings import load
from receiver.store.database import Database
from receiver.store.sqlite import SqliteDatabase

ALL_THERE_IS = 2**30


def word(fault: Path) -> str:
    return fault.read_text() if fault.exists() else ""


def suffering(database: Database, fault: Path) -> Database:
    assert isinstance(database, SqliteDatabase)

    @event.listens_for(database._writer_engine, "begin")
    def suffer(connection: Connection) -> None:
        said = word(fault)
        if said.startswith("odd "):
            connection.exec_driver_sql("ROLLBACK")
            raise ValueError(said)
        # no smaller than the file is now
        connection.exec_driver_sql(f"PRAGMA max_page_count={1 if said == 'full' else ALL_THERE_IS}")
        connection.exec_driver_sql(f"PRAGMA query_only={'ON' if said == 'readonly' else 'OFF'}")

    @event.listens_for(database._writer_engine, "commit")
    def linger(_connection: Connection) -> None:
        said = word(fault)
        if said.startswith("slow "):
            time.sleep(float(said.removeprefix("slow ")))

    return database


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    for argument in ("fault", "command"):
        parser.add_argument(argument)
    parser.add_argument("--port", type=int)
    parser.add_argument("--config", type=Path)
    given = parser.parse_args()
    fault = Path(given.fault)
    settings = load(given.config)
    observability.configure_logs(level=settings.log_level, secrets=settings.secrets())
    uvloop.run(serve(settings, "127.0.0.1", given.port, wrap=lambda database: suffering(database, fault)))
