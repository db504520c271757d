"""The files of a SQLite database: one canonical path, readable by the owner only."""

import shlex
from contextlib import suppress
from pathlib import Path

from receiver.errors import ConfigError
from receiver.observability import log

PRIVATE = 0o600
OTHERS = 0o077
SUFFIXES = ("", "-wal", "-shm", ".lock")


def canonical_path(path: Path) -> Path:
    """The absolute path without symbolic links. Raises ConfigError for a file with hard links.

    The lock file and the WAL are named after the database file. A process that opens it by another name finds neither:
    two processes would write to it, and the content of the WAL would be missing
    (https://sqlite.org/howtocorrupt.html, 2.5).
    """
    try:
        real = path.resolve()
        links = real.stat().st_nlink if real.is_file() else 1
    except (OSError, RuntimeError) as error:  # RuntimeError: a loop of symbolic links
        raise ConfigError(f"{path}: {error}") from error
    if links > 1:
        raise ConfigError(
            f"{real}: this database file has {links} names (hard links), and SQLite is safe with one only. "
            f"`find / -samefile {shlex.quote(str(real))}` finds the others; remove them"
        )
    return real


def make_private(path: Path) -> None:
    """Create the file readable by its owner only, and remove the rights of others from existing files.

    SQLite gives the WAL the same mode. A file of another user is left as it is, with a warning.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with suppress(OSError):  # it exists, or SQLite reports why it cannot
        path.touch(PRIVATE, exist_ok=False)  # never opens an existing file: closing it would drop SQLite's locks
    for suffix in SUFFIXES:
        file = path.with_name(path.name + suffix)
        try:
            if file.stat().st_mode & OTHERS:
                file.chmod(PRIVATE)
        except FileNotFoundError:
            continue
        except OSError as error:
            log.warning("store.file.readable", file=file.name, reason=error.strerror)
