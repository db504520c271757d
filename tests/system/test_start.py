"""What a start loads: on a migrated SQLite file neither the migrations nor another database's driver."""

from pathlib import Path

from tests.harness import world

NOT_NEEDED = {"alembic", "mako", "psycopg", "casebell_sandbox", "aiosmtpd"}


def test_a_start_on_a_migrated_file_imports_only_what_it_needs(tmp_path: Path) -> None:
    with world(tmp_path, is_started=False) as here:
        here.service.environment = {"PYTHONPROFILEIMPORTTIME": "1"}
        here.service.start()
        log = here.service.log.read_text()

    lines = [line.rpartition("|")[2] for line in log.splitlines() if line.startswith("import time:")]
    imported = {line.strip().partition(".")[0] for line in lines}
    assert {"receiver", "notifiers", "sqlalchemy"} <= imported
    assert imported & NOT_NEEDED == set()
