"""A reply that people write often, with places for what differs; whoever sends it may change every word of it."""

from dataclasses import dataclass

PLACEHOLDERS = ("reference", "case_reference", "debtor", "amount", "deadline")


@dataclass(frozen=True, slots=True)
class ReplyTemplate:
    """``locale``: the language of the text and of what is filled in; None: the route's."""

    name: str
    text: str
    locale: str | None = None
