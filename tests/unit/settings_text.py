"""Pieces of a configuration, and how they are read."""

from collections.abc import Mapping

from receiver.settings import Settings, parse

ENVIRON = {
    "KEYS": "a-newest-key-of-24-chars, an-older-key-of-24-chars",
    "TOKEN": "t0ken-of-getbill",
    "B64": "c2VjcmV0LW9mLWRlYml0dXJh",
    "EMPTY": "  ",
    "SHORT": "short",
    "DATABASE_URL": "postgresql://casebell:p4ss%2Fword@db.example/casebell",
}


TOP = """
public_url = "https://casebell.example.com"
secret_keys = ["env:KEYS"]
"""


GETBILL = """
[[getbill]]
name = "main"
api_token = "env:TOKEN"
"""


SLACK = """
[slack]
bot_token = "env:TOKEN"
signing_secrets = ["env:TOKEN"]
"""


ROUTE = """
[[routes]]
name = "all"
slack = ["C0123456789"]
"""


def read(*parts: str, environ: Mapping[str, str] = ENVIRON) -> Settings:
    return parse("".join(parts), "casebell.toml", environ)
