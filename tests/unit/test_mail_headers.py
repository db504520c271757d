"""Mail headers as bytes: entirely plain or entirely encoded, folded only at spaces, never two headers."""

import re
from base64 import b64decode
from email.headerregistry import Address
from email.message import EmailMessage
from quopri import decodestring

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from notifiers.email.headers import POLICY
from notifiers.text import one_line

WORD = re.compile(r"=\?utf-8\?([bq])\?([!->@-~]*)\?=", re.ASCII)
URL = f"<https://casebell.example.com/unsubscribe/{'x' * 300}>"
MESSAGE_ID = f"<0123456789@{'long.' * 40}example>"


def lines_of(name: str, value: object) -> list[str]:
    """The lines of the header as they are sent."""
    mail = EmailMessage(policy=POLICY)
    mail[name] = value
    head, _, _ = mail.as_bytes().decode("ascii").partition("\r\n\r\n")
    return head.split("\r\n")


def unfolded(name: str, value: object) -> str:
    """The value as RFC 5322 unfolds it: line breaks are removed, every space stays."""
    field, _, text = "".join(lines_of(name, value)).partition(": ")
    assert field == name
    return text


def decode(text: str) -> str:
    """The text of encoded words, each decoded by itself (RFC 2047): a character split between two raises."""
    words = [WORD.fullmatch(word) for word in text.split(" ")]
    if None in words:
        return text
    return "".join((b64decode if w[1] == "b" else _q)(w[2]).decode() for w in words if w)


def _q(text: str) -> bytes:
    return decodestring(text, header=True)


@given(st.text().map(one_line))
@example("№ 17/б · €1,500.00 · Ménard")
@example("ab " * 60 + "é")
@example("a " * 70 + "a")
@example("=?utf-8?q?=C2=B7?=")
@example("Invoice =?x")
@example("🧾" * 100)
@example("x" * 400)
@example("e\u0301" * 60)
@example("")
@example(" · ")
def test_any_subject_is_decoded_unchanged(text: str) -> None:
    lines = lines_of("Subject", text)

    assert decode(unfolded("Subject", text)) == text
    assert all(len(line) <= 76 for line in lines if "=?" in line)
    assert all(len(word) <= 75 for line in lines for word in line.split(" ") if "=?" in word)
    assert all(line.startswith(" ") and line.strip() for line in lines[1:])


def test_a_long_plain_subject_is_not_encoded_and_folded_at_spaces() -> None:
    text = "Re: Dispute: payment already made, " * 4 + "INV-2024-001 - EUR 1,500.00"

    assert unfolded("Subject", text) == text
    assert max(map(len, lines_of("Subject", text))) <= 76


@pytest.mark.parametrize("text", ["two  blanks", " a blank before", "a blank after ", "  "])
def test_spaces_that_unfolding_would_drop_are_encoded(text: str) -> None:
    assert decode(unfolded("Subject", text)) == text
    assert text not in "".join(lines_of("Subject", text))


@pytest.mark.parametrize(
    "name", ["List-Unsubscribe", "Content-ID", "Message-ID", "In-Reply-To", "References", "List-Id"]
)
@pytest.mark.parametrize("value", [URL, MESSAGE_ID])
def test_a_structured_header_of_any_length_is_never_encoded(name: str, value: str) -> None:
    assert lines_of(name, value) == [f"{name}: {value}"]


def test_several_message_ids_are_folded_between_two_ids() -> None:
    value = " ".join([MESSAGE_ID] * 3)

    assert lines_of("References", value) == [f"References: {MESSAGE_ID}", f" {MESSAGE_ID}", f" {MESSAGE_ID}"]


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("Casebell", "Casebell"),
        ("Krogh, Anna", '"Krogh, Anna"'),
        ('Anna "AK" Krogh', r'"Anna \"AK\" Krogh"'),
        ("", ""),
    ],
)
def test_a_plain_name_before_an_address_is_not_encoded(name: str, expected: str) -> None:
    at = "<anna@creditor.example>" if name else "anna@creditor.example"

    assert unfolded("From", Address(name, "anna", "creditor.example")) == f"{expected} {at}".strip()


@pytest.mark.parametrize("name", ["Jørgensen & Søn, Århus", "=?utf-8?q?Eve?=", "Forderungsmanagement Größe " * 5])
@pytest.mark.parametrize("header", ["From", "To", "Reply-To"])
def test_only_the_name_before_an_address_is_encoded(header: str, name: str) -> None:
    phrase, _, at = unfolded(header, Address(name.strip(), "anna", "creditor.example")).rpartition(" ")

    assert at == "<anna@creditor.example>"
    assert decode(phrase) == name.strip()
    # RFC 2047, 5 (3): the only characters that a phrase may have
    assert re.fullmatch(r"[\w!*+\-/=? ]+", phrase, re.ASCII)


@pytest.mark.parametrize("text", ["a\nBcc: eve@evil.example", "a\r\n\r\nbody", "a\rb", "a\x00b", "a\x1cb", "a\tb"])
@pytest.mark.parametrize("name", ["Subject", "List-Id", "From"])
def test_a_header_with_a_line_break_or_a_control_character_is_refused(name: str, text: str) -> None:
    with pytest.raises(ValueError, match=f"header {name}"):
        EmailMessage(policy=POLICY)[name] = text


@pytest.mark.parametrize("text", ["ø@creditor.example", "<https://casebell.example.com/ø>"])
def test_a_structured_header_with_text_outside_ascii_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="header List-Unsubscribe"):
        EmailMessage(policy=POLICY)["List-Unsubscribe"] = text


def test_a_header_with_a_word_longer_than_a_line_is_refused() -> None:
    with pytest.raises(ValueError, match="too long"):
        EmailMessage(policy=POLICY)["List-Unsubscribe"] = f"<https://casebell.example.com/{'x' * 1000}>"
