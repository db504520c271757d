"""Compiles ``preloaded.c``: a clock that is off and a resolver that hangs, for a process that knows nothing of it."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

SOURCE = Path(__file__).with_name("preloaded.c")


def preloading(folder: Path, **environment: str) -> dict[str, str]:
    """The environment of such a process; skips the test where nothing can be compiled or preloaded."""
    compiler = shutil.which("cc")
    if compiler is None or sys.platform != "linux":
        pytest.skip("needs a C compiler and Linux")
    library = folder / "preloaded.so"
    subprocess.run([compiler, "-shared", "-fPIC", "-o", str(library), str(SOURCE), "-ldl"], check=True)
    return {"LD_PRELOAD": str(library), **environment}
