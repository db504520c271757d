"""The import contracts of pyproject.toml refuse what the architecture forbids."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGES = ("receiver", "notifiers", "casebell_sandbox", "tools")

FORBIDDEN = (
    ("receiver.domain.item", "receiver.store.items"),
    ("receiver.domain.money", "httpx"),
    ("receiver.ports", "receiver.upstream.http"),
    ("receiver.store.items", "receiver.pipeline.apply"),
    ("receiver.store.outbox", "receiver.upstream.http"),
    ("receiver.pipeline.apply", "receiver.pipeline.actions"),
    ("receiver.pipeline.actions", "receiver.pipeline.deliver.messages"),
    ("receiver.pipeline.deliver.messages", "receiver.pipeline.ingest"),
    ("receiver.pipeline.ingest", "receiver.sync.matching"),
    ("receiver.sync.reconcile", "receiver.alerting.monitor"),
    ("receiver.operations.queries", "receiver.jobs.worker"),
    ("receiver.web.health", "receiver.jobs.worker"),
    ("receiver.jobs.worker", "receiver.app"),
    ("receiver.pipeline.notices", "notifiers.text"),
    ("receiver.web.inbox", "notifiers.i18n.formats"),
    ("receiver.jobs.worker", "receiver.settings"),
    ("receiver.context", "receiver.settings"),
    ("receiver.upstream.getbill.client", "receiver.upstream.debitura.client"),
    ("notifiers.slack.render", "receiver.context"),
    ("notifiers.email.render", "receiver.store.items"),
    ("notifiers.slack.render", "notifiers.email.render"),
    ("receiver.app", "casebell_sandbox.demo"),
    ("receiver.app", "receiver.samples.items"),
    ("receiver.samples.items", "receiver.settings"),
    ("casebell_sandbox.getbill", "receiver.domain.money"),
    ("casebell_sandbox.slack", "notifiers.text"),
    ("receiver.cli.run", "tools.catalogs"),
    ("tools.catalogs", "receiver.context"),
)


@pytest.fixture(scope="module")
def refusals(tmp_path_factory: pytest.TempPathFactory) -> str:
    """What import-linter says about a copy of the tree with every forbidden import in it, and one module too many."""
    copy = tmp_path_factory.mktemp("copy")
    for package in PACKAGES:
        shutil.copytree(ROOT / package, copy / package, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", copy)
    (copy / "receiver" / "helpers.py").touch()
    for importer, imported in FORBIDDEN:
        _add_import(copy, importer, imported)
    command = Path(sys.executable).parent / "lint-imports"
    run = subprocess.run([command, "--no-cache"], cwd=copy, capture_output=True, text=True, check=False)
    assert run.returncode == 1, run.stdout + run.stderr
    return run.stdout


def _add_import(tree: Path, importer: str, imported: str) -> None:
    path = tree / importer.replace(".", "/")
    file = path / "__init__.py" if path.is_dir() else path.with_suffix(".py")
    file.write_text(f"{file.read_text(encoding='utf-8')}\nimport {imported}\n", encoding="utf-8")


@pytest.mark.parametrize(("importer", "imported"), FORBIDDEN)
def test_a_forbidden_import_is_refused(refusals: str, importer: str, imported: str) -> None:
    assert any(line.lstrip("- ").startswith(f"{importer} -> {imported} ") for line in refusals.splitlines()), refusals


def test_a_module_without_a_layer_is_refused(refusals: str) -> None:
    assert "receiver.helpers" in refusals
