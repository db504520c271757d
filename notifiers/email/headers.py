"""Encodes and folds mail headers: docs/vendors/mail.md#encoded-words. Pure.

Python's own policies encode any word that is longer than a line, even a URL or a Message-ID. They also mix encoded and
plain words in a subject, and mail programs then drop or add spaces. This policy encodes a header entirely or not at
all, and folds it without encoding.
"""

import re
import textwrap
from email.header import Header
from email.headerregistry import Address
from email.policy import EmailPolicy

MAX_LINE = 998  # octets (RFC 5322, 2.1.1)
WIDTH = 76  # octets of a line with an encoded word (RFC 2047, 2); other lines are folded there if they have a space
MAX_ENCODED = 66  # octets of an encoded word after "Subject: "
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")
_PLAIN = re.compile(r"(?!.*=\?)(?:[!-~]+(?: [!-~]+)*)?")


class HeaderPolicy(EmailPolicy):
    """``Subject`` takes any line of text, address headers take ``Address``; every other header must be ASCII."""

    def header_store_parse(self, name: str, value: object) -> tuple[str, str]:
        """The encoded header, not folded yet. Raises ValueError for a control character or a word of 998 octets."""
        if isinstance(value, Address):
            text = format_mailbox(value)
        else:
            text = encode_words(str(value)) if name.lower() == "subject" else str(value)
        if _CONTROL.search(str(value)) or not text.isascii():
            raise ValueError(f"the header {name} contains a character that no header may contain")
        if max(map(len, self.fold(name, text).splitlines())) > MAX_LINE:
            raise ValueError(f"the header {name} has a word that is too long for a line")
        return name, text

    def fold(self, name: str, value: str) -> str:
        """The header in lines that never end with a space, so that unfolding restores every space."""
        lines = textwrap.wrap(
            value, WIDTH, initial_indent=f"{name}: ", subsequent_indent=" ",
            break_long_words=False, break_on_hyphens=False,
        )  # fmt: skip
        return self.linesep.join([*(lines or [f"{name}: "]), ""])

    def fold_binary(self, name: str, value: str) -> bytes:
        return self.fold(name, value).encode("ascii")


POLICY = HeaderPolicy(linesep="\r\n")


def format_mailbox(address: Address) -> str:
    """``name <address>``; only the name may be encoded (RFC 2047, 5)."""
    if _PLAIN.fullmatch(address.display_name):
        return str(address)
    return f"{encode_words(address.display_name)} <{address.addr_spec}>"


def encode_words(text: str) -> str:
    """Plain text unchanged, any other text entirely as encoded words, whose separating spaces a reader drops."""
    if _PLAIN.fullmatch(text):
        return text
    return Header(text, "utf-8", maxlinelen=MAX_ENCODED).encode(linesep="")
