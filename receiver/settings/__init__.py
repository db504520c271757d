"""The configuration file as types, and the only reader of the environment (docs/configuration.md).

``load`` reads and checks the whole file at the start and reports every fault at once; nothing is read later.
Only ``app``, ``cli`` and ``tools`` import this package; other packages get the values they need.
"""

from receiver.settings.document import Settings
from receiver.settings.loading import DEFAULT_PATH, load, load_public_url, parse
from receiver.settings.masking import to_masked_toml
from receiver.settings.rules import (
    Automation,
    AutomationMatch,
    Burst,
    Digest,
    Escalation,
    Match,
    QuietHours,
    Retention,
    Route,
)
from receiver.settings.sections import Debitura, Email, Getbill, People, Slack, SmtpServer
from receiver.settings.values import Secret

__all__ = [
    "DEFAULT_PATH",
    "Automation",
    "AutomationMatch",
    "Burst",
    "Debitura",
    "Digest",
    "Email",
    "Escalation",
    "Getbill",
    "Match",
    "People",
    "QuietHours",
    "Retention",
    "Route",
    "Secret",
    "Settings",
    "Slack",
    "SmtpServer",
    "load",
    "load_public_url",
    "parse",
    "to_masked_toml",
]
