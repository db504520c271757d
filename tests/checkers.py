"""What others say of our mails and pages: html-validate, caniemail and mailparser in node, axe-core in a real browser.

``tests/mailcheck/install.sh`` brings them; where it cannot, whoever asks for ``tools`` is skipped with a reason.
"""

import json
import shutil
import subprocess
from base64 import b64encode
from collections.abc import Collection, Iterable
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
    return _answers(tools, "check.mjs", ({"name": name, "html": html} for name, html in pages.items()))


def parsed_by_mailparser(tools: Path, mails: dict[str, bytes]) -> dict[str, dict[str, Any]]:
    """Headers, text and files of each mail."""
    encoded = ({"name": name, "raw": b64encode(raw).decode()} for name, raw in mails.items())
    return _answers(tools, "read.mjs", encoded)


def _answers(tools: Path, script: str, questions: Iterable[dict[str, str]]) -> dict[str, dict[str, Any]]:
    """What a script of ours answers to each question, by its name; one process for all of them."""
    (tools / script).write_bytes((TOOLS / script).read_bytes())
    said = subprocess.run(
        ["node", str(tools / script)], input="\n".join(map(json.dumps, questions)),
        capture_output=True, text=True, check=False, timeout=300,
    )  # fmt: skip
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
