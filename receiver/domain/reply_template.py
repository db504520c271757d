"""A template for frequent replies, with placeholders. The sender can edit the text before it is sent."""

from dataclasses import dataclass

PLACEHOLDERS = ("reference", "case_reference", "debtor", "amount", "deadline")


@dataclass(frozen=True, slots=True)
class ReplyTemplate:
    """``locale``: the language of the text and of its values; None: the route's language."""

    name: str
    text: str
    locale: str | None = None
