"""Processes of Casebell without the seconds their imports take: a server that has imported everything forks them.

What is forked is a process of its own: its memory, signals, files and exit code are as those of ``python -m``.
"""

import multiprocessing
import os
import runpy
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).parent.parent
PATIENCE_S = 180.0

_server = multiprocessing.get_context("forkserver")
_server.set_forkserver_preload(["tests.imported"])


class Forked:
    """``python -m MODULE WORDS``; what it writes is added to two files."""

    def __init__(self, module: str, words: list[str], stdout: Path, stderr: Path, **environment: str) -> None:
        self._process = _server.Process(target=_run, args=(module, words, stdout, stderr, environment), daemon=True)
        for path in (stdout, stderr):
            path.touch()
        self._process.start()

    @property
    def pid(self) -> int:
        assert self._process.pid is not None
        return self._process.pid

    def poll(self) -> int | None:
        """Its exit code, or minus the signal that ended it; None while it runs."""
        return self._process.exitcode

    def wait(self, timeout: float) -> int:
        """Its exit code. Raises TimeoutError."""
        self._process.join(timeout)
        code = self._process.exitcode
        if code is None:
            raise TimeoutError(f"process {self.pid} did not end within {timeout:.0f} s")
        return code

    def send_signal(self, number: int) -> None:
        if self.poll() is None:
            os.kill(self.pid, number)


def casebell(*words: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """What ``casebell WORDS`` writes, and its exit code."""
    with tempfile.TemporaryDirectory() as folder:
        stdout, stderr = Path(folder, "stdout"), Path(folder, "stderr")
        process = Forked("receiver", list(words), stdout, stderr, **environment)
        try:
            code = process.wait(PATIENCE_S)
        finally:
            process.send_signal(9)
        return subprocess.CompletedProcess(words, code, stdout.read_text(), stderr.read_text())


def _run(module: str, words: list[str], stdout: Path, stderr: Path, environment: dict[str, str]) -> None:
    for number, path in ((1, stdout), (2, stderr)):
        opened = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        os.dup2(opened, number)
        os.close(opened)
    os.environ.update(environment)
    os.chdir(ROOT)
    sys.argv = [module, *words]
    runpy.run_module(module, run_name="__main__", alter_sys=True)
