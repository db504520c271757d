"""Writes the demo's configuration: it points at the stand-ins; its invented secrets are in files beside it."""

import secrets
from pathlib import Path

from casebell_sandbox.pages import OFFICE

TEMPLATE = """\
public_url   = "{public_url}"
database_url = "{database_url}"
secret_keys  = ["file:{folder}/key"]

[[getbill]]
name            = "main"
base_url        = "{sandbox_url}/getbill/external-api/v1"
api_token       = "file:{folder}/getbill-token"
webhook_secrets = ["file:{folder}/getbill-secret"]
poll_every      = "{getbill_poll}"
todo_url        = "{sandbox_url}/?todo={{id}}"
media_hosts     = ["127.0.0.1"]

[[debitura]]
name            = "main"
base_url        = "{sandbox_url}/debitura"
api_key         = "file:{folder}/debitura-key"
webhook_secrets = ["file:{folder}/debitura-secret"]
poll_every      = "{debitura_poll}"
reply_as        = "ar@creditor.example"
solution_hosts  = ["debitura.com"]
case_url        = "{sandbox_url}/?case={{id}}"

[slack]
bot_token       = "file:{folder}/slack-token"
signing_secrets = ["file:{folder}/slack-secret"]
base_url        = "{sandbox_url}/slack/api/"
posts_per_second = 50.0

[email]
smtp_url = "smtp://127.0.0.1:{smtp_port}"
sender   = "Casebell <casebell@creditor.example>"
mails_per_second = 200.0

[people]
resolvers = ["@creditor.example"]
admins    = ["ops@creditor.example"]

[[routes]]
name     = "disputes"
match    = {{ source = ["getbill"] }}
slack    = ["C0DISPUTES"]
email    = ["ar@creditor.example"]
timezone = "{timezone}"
{burst}
[[routes]]
name     = "tasks"
slack    = ["C0TASKS"]
email    = ["ar@creditor.example"]
timezone = "{timezone}"
{burst}
[[digests]]
name     = "daily"
to       = ["cfo@creditor.example"]
slack    = ["C0DISPUTES"]
schedule = "30 8 * * 1-5"
timezone = "{timezone}"
"""

# Only in the demo: bursts are grouped, and an automation runs dry.
BURST = 'burst    = { over = 10, within = "1m" }\n'
RULE = """
[[automations]]
name    = "confident-disputes"
match   = { kind = ["ai_dispute"], min_confidence = 80 }
verb    = "validate"
note    = "Validated automatically: AI confidence {ai_confidence} %"
dry_run = true
"""


def write_configuration(
    folder: Path,
    *,
    public_url: str,
    sandbox_url: str,
    smtp_port: int,
    getbill_poll: str = "15s",
    debitura_poll: str = "2s",
    database_url: str | None = None,
    secrets_of: dict[str, str] | None = None,
    is_demo: bool = False,
) -> Path:
    """Write ``casebell.toml`` and its secret files into ``folder``; returns the file's path.

    ``secrets_of``: secrets by file name, if they differ from the stand-ins' defaults. ``is_demo``: add BURST to each
    route, and RULE.
    """
    values = {
        "key": secrets.token_urlsafe(32),
        "getbill-token": "getbill-token",
        "getbill-secret": "getbill-secret",
        "debitura-key": "debitura-key",
        "debitura-secret": "dGhpc2lzYWJhc2U2NGVuY29kZWRzZWNyZXQ=",
        "slack-token": "xoxb-sandbox",
        "slack-secret": "slack-secret",
        **(secrets_of or {}),
    }
    for name, value in values.items():
        (folder / name).write_text(value)
    path = folder / "casebell.toml"
    path.write_text(
        TEMPLATE.format(
            folder=folder,
            timezone=OFFICE.key,
            database_url=database_url or f"sqlite:///{folder}/casebell.db",
            public_url=public_url,
            sandbox_url=sandbox_url,
            smtp_port=smtp_port,
            getbill_poll=getbill_poll,
            debitura_poll=debitura_poll,
            burst=BURST if is_demo else "",
        )
        + (RULE if is_demo else "")
    )
    return path
