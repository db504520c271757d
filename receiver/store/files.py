"""The files of a SQLite database: one path for each, and readable by their owner only."""

import shlex
from contextlib import suppress
from pathlib import Path

from receiver.errors import ConfigError
from receiver.observability import log

PRIVATE = 0o600
OTHERS = 0o077
BESIDE = ("", "-wal", "-shm", ".lock")


def only_name_of(path: Path) -> Path:
    """The absolute path without symbolic links. Raises ConfigError for a file with hard links.

    The lock and SQLite's log lie beside the file, under its name. Who opens the file by another name finds neither:
    two processes would write to it, and what only the log holds would be missing
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
    """Create the file if it is not there, readable by its owner only, and take others' rights from what is there.

    SQLite gives the files beside it the same mode. A file of somebody else is left as it is, with a warning.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with suppress(OSError):  # it is there, or SQLite will say why it cannot be
        path.touch(PRIVATE, exist_ok=False)  # opens only what is new: closing a file drops SQLite's locks on it
    for beside in BESIDE:
        file = path.with_name(path.name + beside)
        try:
            if file.stat().st_mode & OTHERS:
                file.chmod(PRIVATE)
        except FileNotFoundError:
            continue
        except OSError as error:
            log.warning("store.file.readable", file=file.name, reason=error.strerror)
