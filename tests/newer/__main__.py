"""``python -m tests.newer FOLDER serve …``: the service of a later version, whose migrations are those in FOLDER."""

import argparse
from pathlib import Path

import uvloop

from receiver import observability
from receiver.app import serve
from receiver.settings import load
from receiver.store import database

if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    for argument in ("migrations", "command"):
        parser.add_argument(argument)
    parser.add_argument("--port", type=int)
    parser.add_argument("--config", type=Path)
    given = parser.parse_args()
    database.MIGRATIONS = Path(given.migrations)
    settings = load(given.config)
    observability.configure_logs(level=settings.log_level, secrets=settings.secrets())
    uvloop.run(serve(settings, "127.0.0.1", given.port))
