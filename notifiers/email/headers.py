"""Step 6 for mail: how a header becomes bytes. Pure.

Python's own policies encode any word that is too long for a line, a URL or a Message-ID too, and mix encoded and plain
words in a subject, where readers then lose or gain blanks. So a header is encoded here when it is set, entirely
or not at all, and is only folded when it is written.
"""

import re
import textwrap
from email.header import Header
from email.headerregistry import Address
from email.policy import EmailPolicy

LONGEST_LINE = 998  # octets (RFC 5322, 2.1.1)
WIDTH = 76  # of a line with an encoded word (RFC 2047, 2); of any other where it has a blank to be folded at
ENCODED = 66  # an encoded word beside "Subject: "
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")
_PLAIN = re.compile(r"(?!.*=\?)(?:[!-~]+(?: [!-~]+)*)?")


class Headers(EmailPolicy):
    """Sets ``Subject`` from any line of text and addresses from ``Address``; every other header is ASCII already."""

    def header_store_parse(self, name: str, value: object) -> tuple[str, str]:
        """The header as it is sent but for its folds. Raises ValueError for one that would be two, or too long."""
        if isinstance(value, Address):
            text = mailbox(value)
        else:
            text = encoded(str(value)) if name.lower() == "subject" else str(value)
        if _CONTROL.search(str(value)) or not text.isascii():
            raise ValueError(f"the header {name} holds what no header may hold")
        if max(map(len, self.fold(name, text).splitlines())) > LONGEST_LINE:
            raise ValueError(f"the header {name} has a word that is too long for a line")
        return name, text

    def fold(self, name: str, value: str) -> str:
        """The header in lines that end with a word, so that joining them again gives back every blank."""
        lines = textwrap.wrap(
            value, WIDTH, initial_indent=f"{name}: ", subsequent_indent=" ",
            break_long_words=False, break_on_hyphens=False,
        )  # fmt: skip
        return self.linesep.join([*(lines or [f"{name}: "]), ""])

    def fold_binary(self, name: str, value: str) -> bytes:
        return self.fold(name, value).encode("ascii")


POLICY = Headers(linesep="\r\n")


def mailbox(address: Address) -> str:
    """``name <address>``; only the name is ever encoded (RFC 2047, 5)."""
    if _PLAIN.fullmatch(address.display_name):
        return str(address)
    return f"{encoded(address.display_name)} <{address.addr_spec}>"


def encoded(text: str) -> str:
    """The text, or encoded words with nothing between them where plain words would read otherwise (RFC 2047, 6.2)."""
    if _PLAIN.fullmatch(text):
        return text
    return Header(text, "utf-8", maxlinelen=ENCODED).encode(linesep="")
