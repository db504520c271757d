"""What is documented is what there is: settings, error codes, commands, links; and files stay short."""

import ast
import re
import tomllib
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from receiver.cli import casebell
from receiver.domain.refusal import SENTENCES
from tools.configuration_page import render_page

ROOT = Path(__file__).parents[2]
CODE = ("receiver", "notifiers", "tools", "tests")
LONGEST = 400
NOT_OURS = {".git", ".venv", ".build", "node_modules", "__pycache__"}
RAISED = re.compile(r"(Casebell|Rejected|Refused|RetryLater|Permanent|Uncertain)Error|Refused")
CODE_WORD = re.compile(r"[a-z][a-z0-9_]+")


def text_of(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


def documentation() -> str:
    pages = [ROOT / "README.md", *(ROOT / "docs").glob("*.md")]
    return "\n".join(path.read_text(encoding="utf-8") for path in pages)


def our_files() -> Iterator[Path]:
    for path in ROOT.rglob("*"):
        parts = path.relative_to(ROOT).parts
        if path.is_file() and not any(part in NOT_OURS or part.endswith("_cache") for part in parts):
            yield path


def error_codes() -> Iterator[str]:
    """Every literal code an error of ours is made with."""
    for path in [*(ROOT / "receiver").rglob("*.py"), *(ROOT / "notifiers").rglob("*.py")]:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and RAISED.fullmatch(node.func.id):
                first = node.args[0] if node.args else None
                if isinstance(first, ast.Constant) and isinstance(first.value, str):
                    yield first.value


def commands(group: click.Group, words: str) -> Iterator[tuple[str, click.Command]]:
    context = click.Context(group)
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        assert command is not None
        if isinstance(command, click.Group):
            yield from commands(command, f"{words} {name}")
        else:
            yield f"{words} {name}", command


def test_the_page_of_settings_is_the_one_the_settings_write() -> None:
    assert text_of("docs/configuration.md") == render_page(), "run: make docs"


def test_every_setting_says_what_it_is() -> None:
    rows = [line.split(" | ") for line in render_page().splitlines() if line.startswith("| `")]

    assert len(rows) > 80
    assert [row[0] for row in rows if not row[2].strip()] == []


def test_every_error_code_has_a_meaning_and_a_cure() -> None:
    rows = dict(re.findall(r"^\| `([a-z0-9_]+)` \| (.+) \|$", text_of("docs/errors.md"), re.MULTILINE))

    assert sorted({*error_codes(), *SENTENCES} - set(rows)) == [], "add a line for each to docs/errors.md"
    assert [code for code, rest in rows.items() if not all(cell.strip() for cell in rest.split("|"))] == []


def test_an_error_code_is_a_word_for_machines() -> None:
    assert [code for code in set(error_codes()) if not CODE_WORD.fullmatch(code)] == []


def test_every_command_is_documented_and_takes_a_configuration() -> None:
    text = documentation()
    found = dict(commands(casebell, "casebell"))

    assert {"casebell check", "casebell keys new", "casebell serve", "casebell demo"} <= set(found)
    assert [words for words in found if f"`{words}" not in text] == []
    assert [words for words, it in found.items() if not any("--config" in option.opts for option in it.params)] == []


def test_every_module_that_a_page_names_exists() -> None:
    named = re.findall(r"`((?:receiver|notifiers|casebell_sandbox)/[\w/]+(?:\.py|/))`", documentation())

    assert len(named) > 50
    assert sorted({path for path in named if not (ROOT / path).exists()}) == []


@pytest.mark.parametrize("name", ["README.md"])
def test_the_front_page_stays_one_page(name: str) -> None:
    assert len(text_of(name).splitlines()) <= 120


def test_no_file_of_code_grows_beyond_what_one_reads_at_a_sitting() -> None:
    long = {
        path.relative_to(ROOT).as_posix(): lines
        for path in our_files()
        if path.suffix == ".py" and path.relative_to(ROOT).parts[0] in CODE
        if (lines := len(path.read_text(encoding="utf-8").splitlines())) > LONGEST
    }

    assert long == {}


def test_no_package_registry_is_named() -> None:
    """Where packages come from is the machine's business; a host written here would go around it."""
    hosts = ["py" + "pi.org", "python" + "hosted.org", "npm" + "js.org", "npm" + "js.com", "yarn" + "pkg.com"]
    named = [
        (path.relative_to(ROOT).as_posix(), host)
        for path in our_files()
        for host in hosts
        if host.encode() in path.read_bytes()
    ]

    assert named == []


def test_the_package_and_its_lock_ask_for_the_same_libraries() -> None:
    project = tomllib.loads(text_of("pyproject.toml"))["project"]

    assert text_of("requirements/run.in").split() == sorted(project["dependencies"])
    assert text_of("requirements/demo.in").split() == ["-r", "run.in", *project["optional-dependencies"]["demo"]]
