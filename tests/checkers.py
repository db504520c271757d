"""What others say of our HTML: html-validate and caniemail in node, axe-core in a page of a real browser.

``tests/mailcheck/install.sh`` brings them; where it cannot, whoever asks for ``tools`` is skipped with a reason.
"""

import json
import shutil
import subprocess
from collections.abc import Collection
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page

from tests.harness import ROOT

TOOLS = ROOT / "tests" / "mailcheck"
PLACE = ROOT / ".build" / "mailcheck"


@pytest.fixture(scope="module")
def tools() -> Path:
    """The checkers' folder, installed by whichever process comes first."""
    if shutil.which("node") is None or shutil.which("npm") is None:
        pytest.skip("node is not installed")
    if subprocess.run(
        ["bash", str(TOOLS / "install.sh")], check=False, timeout=300, stdin=subprocess.DEVNULL
    ).returncode:
        pytest.skip("the checks could not be installed; .build/mailcheck.log says why")
    return PLACE


def checked(tools: Path, pages: dict[str, str]) -> dict[str, dict[str, Any]]:
    """What html-validate and caniemail say of each page."""
    (tools / "check.mjs").write_bytes((TOOLS / "check.mjs").read_bytes())
    lines = "\n".join(json.dumps({"name": name, "html": html}) for name, html in pages.items())
    said = subprocess.run(
        ["node", str(tools / "check.mjs")], input=lines, capture_output=True, text=True, check=False, timeout=300
    )
    if "Unsupported engine" in said.stderr or "ERR_REQUIRE_ESM" in said.stderr or "SyntaxError" in said.stderr:
        pytest.skip(f"this node is too old for the checks: {said.stderr.strip().splitlines()[-1]}")
    assert said.returncode == 0, said.stderr
    answers = map(json.loads, said.stdout.splitlines())
    return {answer["name"]: answer for answer in answers}


def violations(page: Page, tools: Path, *, but: Collection[str] = (), only: Collection[str] = ()) -> list[str]:
    """What axe finds in the page as it is shown, ``but`` for these rules, or by these ``only``."""
    page.evaluate((tools / "node_modules" / "axe-core" / "axe.min.js").read_text(encoding="utf-8"))
    asked: dict[str, Any] = {"rules": {rule: {"enabled": False} for rule in but}}
    if only:
        asked["runOnly"] = {"type": "rule", "values": list(only)}
    said = page.evaluate("asked => axe.run(asked)", asked)
    return [f"{one['id']}: {one['nodes'][0]['html'][:200]}" for one in said["violations"]]
