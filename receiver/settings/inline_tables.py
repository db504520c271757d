"""Inline tables over several lines, as TOML 1.1 allows and Python's own reader does not yet.

The lines are joined, and their line breaks put behind the closing brace so that later line numbers stay true.
"""

import re

_TOKEN = re.compile(
    r'"""(?:\\.|[^\\])*?"""' r"|'''.*?'''" r'|"(?:\\.|[^"\\\n])*"' r"|'[^'\n]*'" r"|#[^\n]*|[{}]|\r?\n",
    re.DOTALL,
)
_TRAILING_COMMA = re.compile(r",\s*$")


def join_inline_tables(text: str) -> str:
    """``text`` with each inline table on one line, without comments and trailing commas inside it."""
    done: list[str] = []
    depth, owed, start = 0, 0, 0
    for token in _TOKEN.finditer(text):
        done.append(text[start : token.start()])
        start, found = token.end(), token[0]
        if found == "{":
            depth += 1
        elif found == "}" and depth:
            depth -= 1
            done = [_TRAILING_COMMA.sub(" ", "".join(done))]
            if not depth:
                found, owed = "}" + "\n" * owed, 0
        elif depth and found[0] in "#\r\n":
            owed, found = owed + found.count("\n"), " "
        done.append(found)
    return "".join([*done, text[start:]])
