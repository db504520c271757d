"""``casebell check`` and ``casebell keys new`` as a person runs them; imports nothing of ours."""

import os
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
GOOD = """
public_url = "https://casebell.example.com"
secret_keys = ["env:CASEBELL_SECRET_KEYS"]
[[getbill]]
name = "main"
api_token = "env:GETBILL_API_TOKEN"
"""
VARIABLES = {"CASEBELL_SECRET_KEYS": "k" * 32, "GETBILL_API_TOKEN": "t0p-s3cret"}


def casebell(*words: str, folder: Path, **variables: str) -> subprocess.CompletedProcess[str]:
    environ = {"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT), "LC_ALL": "C.UTF-8", **variables}
    command = [sys.executable, "-m", "receiver", *words]
    return subprocess.run(
        command, cwd=folder, env=environ, capture_output=True, text=True, encoding="utf-8", check=False, timeout=180
    )


def test_a_good_configuration_is_printed_with_its_secrets_masked(tmp_path: Path) -> None:
    (tmp_path / "casebell.toml").write_text(GOOD)

    done = casebell("check", folder=tmp_path, **VARIABLES)

    assert done.returncode == 0
    assert tomllib.loads(done.stdout)["getbill"][0]["api_token"] == "•••• (env:GETBILL_API_TOKEN)"
    assert "t0p-s3cret" not in done.stdout + done.stderr
    assert "warning: [people] names nobody" in done.stderr


def test_every_fault_is_reported_at_once_and_the_exit_code_is_2(tmp_path: Path) -> None:
    (tmp_path / "other.toml").write_text(GOOD.replace("api_token", "api_tokn").replace("https:", "ftp:"))

    done = casebell("check", "--config", "other.toml", folder=tmp_path, **VARIABLES)

    assert (done.returncode, done.stdout) == (2, "")
    faults = done.stderr.splitlines()
    assert [line.split(": ")[:2] for line in faults] == [
        ["other.toml", "public_url"],
        ["other.toml", "getbill[0].api_tokn"],
        ["other.toml", "getbill[0]"],
    ]
    assert 'the nearest known one is "api_token"' in faults[1]


def test_the_file_is_also_found_through_the_environment(tmp_path: Path) -> None:
    (tmp_path / "elsewhere.toml").write_text(GOOD)

    done = casebell("check", folder=tmp_path, CASEBELL_CONFIG="elsewhere.toml", **VARIABLES)

    assert done.returncode == 0


def test_a_missing_file_and_a_missing_variable_say_what_to_do(tmp_path: Path) -> None:
    no_file = casebell("check", folder=tmp_path)
    (tmp_path / "casebell.toml").write_text(GOOD)
    no_variable = casebell("check", folder=tmp_path, CASEBELL_SECRET_KEYS="k" * 32)

    assert (no_file.returncode, no_variable.returncode) == (2, 2)
    assert "casebell demo" in no_file.stderr
    assert no_variable.stderr == (
        "casebell.toml: getbill[0].api_token: the environment variable GETBILL_API_TOKEN is not set\n"
    )


@pytest.mark.parametrize("words", [["chek"], ["check", "--no-such-option"], ["check", "--config"]])
def test_wrong_use_is_exit_code_2(tmp_path: Path, words: list[str]) -> None:
    assert casebell(*words, folder=tmp_path).returncode == 2


def test_a_new_key_is_accepted_in_secret_keys(tmp_path: Path) -> None:
    (tmp_path / "casebell.toml").write_text(GOOD)

    keys = [casebell("keys", "new", folder=tmp_path).stdout.strip() for _ in range(2)]
    done = casebell("check", folder=tmp_path, GETBILL_API_TOKEN="t", CASEBELL_SECRET_KEYS=",".join(keys))

    assert (keys[0] != keys[1], len(keys[0]), done.returncode) == (True, 43, 0)
