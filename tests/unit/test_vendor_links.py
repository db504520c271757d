"""Every document that code or another document cites exists, and so does the section it names.

A reference is a path from the root of the repository, `docs/vendors/slack.md#rate-limits`, or a relative Markdown link.
"""

import re
import subprocess
from collections import Counter
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path
from posixpath import dirname, join, normpath
from typing import NamedTuple

import pytest

ROOT = Path(__file__).parents[2]
READ = {".py", ".html", ".txt", ".md", ".toml", ".yml"}
NOT_CITED = re.compile(r"""\bhttps?://[^\s)>"'`]+|"[\w-]+\.md\"""")  # a public address; the last part of a path in code
CITED = re.compile(r"(?<![\w*{}])[\w.][\w./-]*\.md\b(?:#[\w-]+)?")
LINK = re.compile(r"\]\(([^)\s]+)\)")
FENCE = re.compile(r"^(```|~~~).*?^\1", re.MULTILINE | re.DOTALL)
# Parts of documents that are not here: "contract A2", "section 9", "issue 4". Sections of an RFC are public.
UNKNOWN = re.compile(
    r"\bcontracts? [A-Z]\d|(?<!RFC \d{4}, )(?<!RFC \d{4} )\b[Ss]ections? \d|\bConsequences\b|\bissue \d"
    r"|\([A-H]\.?\d+(\.\d+)?\)|, [A-H]\.\d"
)


class Reference(NamedTuple):
    file: str
    line: int
    target: str

    def __str__(self) -> str:
        return f"{self.file}:{self.line}: {self.target}"


@cache
def tracked() -> frozenset[str]:
    listing = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True)
    return frozenset(name for name in listing.stdout.split("\0") if name and (ROOT / name).is_file())


def lines() -> Iterator[tuple[str, int, str]]:
    """Each line of each text of the repository, public addresses left out, with its file and number."""
    for name in sorted(tracked()):
        if Path(name).suffix in READ and (ROOT / name) != Path(__file__):
            for number, line in enumerate((ROOT / name).read_text(encoding="utf-8").splitlines(), 1):
                yield name, number, NOT_CITED.sub("", line)


def citations() -> Iterator[Reference]:
    """Names of documents; each is a path from the root, in a document also one from its own folder."""
    for name, number, line in lines():
        for target in CITED.findall(LINK.sub("", line) if name.endswith(".md") else line):
            beside = normpath(join(dirname(name), target))
            is_relative = name.endswith(".md") and beside.partition("#")[0] in tracked()
            yield Reference(name, number, beside if is_relative else target)


def links() -> Iterator[Reference]:
    """Relative links and pictures of documents, as paths from the root."""
    for name, number, line in lines():
        for target in LINK.findall(line) if name.endswith(".md") else ():
            yield Reference(name, number, name + target if target[0] == "#" else normpath(join(dirname(name), target)))


def slug(heading: str) -> str:
    """What GitHub makes of a heading: letters, digits, hyphens and underscores."""
    text = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading)
    return re.sub(r"[^\w\- ]", "", text.strip().lower()).replace(" ", "-")


@cache
def anchors(name: str) -> frozenset[str]:
    """The anchors of a document; a heading that comes again gets a number."""
    text = FENCE.sub("", (ROOT / name).read_text(encoding="utf-8"))
    found: set[str] = set()
    times: Counter[str] = Counter()
    for heading in re.findall(r"^#{1,6} +(.+?)\s*#*$", text, re.MULTILINE):
        anchor = slug(heading)
        found.add(f"{anchor}-{times[anchor]}" if times[anchor] else anchor)
        times[anchor] += 1
    return frozenset(found)


def leads_nowhere(reference: Reference) -> bool:
    name, _, anchor = reference.target.partition("#")
    return name not in tracked() or (bool(anchor) and anchor not in anchors(name))


def refuse(references: Iterable[Reference]) -> None:
    bad = [str(reference) for reference in references]
    assert not bad, "\n" + "\n".join(bad)


@pytest.mark.parametrize(
    ("heading", "anchor"),
    [("Rate limits", "rate-limits"), ("`match` in `[[routes]]`", "match-in-routes"), ("[A](b.md): 1, 2", "a-1-2")],
)
def test_an_anchor_is_the_one_github_makes(heading: str, anchor: str) -> None:
    assert slug(heading) == anchor


def test_every_document_that_is_cited_exists_and_has_the_section() -> None:
    refuse(filter(leads_nowhere, citations()))


def test_every_relative_link_leads_somewhere() -> None:
    found = [link for link in links() if not (ROOT / link.target.partition("#")[0]).is_dir()]

    assert len(found) > 50
    refuse(filter(leads_nowhere, found))


def test_nothing_cites_a_document_that_the_repository_does_not_have() -> None:
    refuse(
        Reference(name, number, match[0])
        for name, number, line in lines()
        if name.endswith(".py")
        for match in UNKNOWN.finditer(line)
    )
