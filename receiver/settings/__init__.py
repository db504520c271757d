"""The configuration file as types, and the only reader of the environment (docs/configuration.md).

``load`` reads and checks the whole file at the start and reports every fault at once; nothing is read later.
Only ``app``, ``cli`` and ``tools`` import this package; other packages get the values they need.
"""

from receiver.settings.document import Settings
from receiver.settings.loading import load, load_public_url, parse
from receiver.settings.masking import to_masked_toml

__all__ = ["Settings", "load", "load_public_url", "parse", "to_masked_toml"]
