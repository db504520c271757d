"""docs/slack.md: each of the twenty failure modes names its guard and its test; every picture exists and is small."""

import re
from pathlib import Path

DOCS = Path(__file__).parents[2] / "docs"
PAGE = (DOCS / "slack.md").read_text()
NAMED = re.compile(r"`tests/[\w/]+\.py::\w+`")
MODES = 20
MOST_BYTES = 60_000


def rows() -> dict[int, list[str]]:
    """The cells of each numbered row."""
    found = re.findall(r"^\| (\d+) \|(.+)\|$", PAGE, re.MULTILINE)
    return {int(number): [cell.strip() for cell in cells.split("|")] for number, cells in found}


def test_each_of_the_twenty_failure_modes_has_a_guard_and_a_test() -> None:
    # test_pages_name_tests.py checks that the tests exist
    assert list(rows()) == list(range(1, MODES + 1))
    assert [number for number, cells in rows().items() if len(cells) != 3 or not all(cells)] == []
    assert [number for number, (_, _, proof) in rows().items() if not NAMED.search(proof)] == []


def test_every_picture_of_slack_is_shown_and_none_is_large() -> None:
    shown = set(re.findall(r"\]\(pictures/(slack-[\w-]+\.png)\)", PAGE))
    there = {path.name: path.stat().st_size for path in (DOCS / "pictures").glob("slack-*.png")}

    assert shown == set(there)
    assert [name for name, size in there.items() if size > MOST_BYTES] == []
