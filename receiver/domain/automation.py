"""Decides what an automation rule does: which items it accepts, and the click that it makes for them. Pure.

The rules are the [[automations]] sections of the configuration.
"""

from dataclasses import dataclass, field
from datetime import datetime, timedelta

from receiver.domain.action import MAX_NOTE, ActionInput, Click
from receiver.domain.item import Item, Snapshot
from receiver.domain.people import Person
from receiver.domain.routing import Match

VIA = "automation"
WINDOW = timedelta(hours=1)  # the time in which ``at_most`` applies, and for which a rule above it stops


@dataclass(frozen=True, slots=True)
class Automation:
    """One [[automations]] section. ``at_most``: items within WINDOW; instead of acting on one more, the rule stops."""

    name: str
    verb: str
    match: Match = field(default_factory=Match)
    min_confidence: int | None = None
    note: str | None = None
    dry_run: bool = True
    at_most: int = 20
    undo_for: timedelta = timedelta(minutes=10)

    @property
    def person(self) -> Person:
        """The person that the audit log names."""
        return Person(name=f"{VIA}:{self.name}")

    @property
    def identity_prefix(self) -> str:
        """Prefix of the identities of this rule's clicks."""
        return f"{VIA}:{self.name}:"

    @property
    def alert_name(self) -> str:
        """Name of the admin alert that is active while the rule is stopped."""
        return f"{VIA}:{self.name}"

    def accepts(self, snapshot: Snapshot) -> bool:
        """Whether ``match`` accepts it and its confidence is high enough; an unknown confidence is not."""
        is_confident = self.min_confidence is None or (
            snapshot.confidence is not None and snapshot.confidence >= self.min_confidence
        )
        return is_confident and self.match.accepts(snapshot)

    def note_for(self, snapshot: Snapshot) -> str | None:
        """The note with its placeholders replaced; "?" stands for an unknown value."""
        if self.note is None:
            return None
        values = {
            "ai_confidence": snapshot.confidence,
            "reference": snapshot.reference,
            "theme": snapshot.theme,
            "severity": snapshot.severity,
            "rule": self.name,
        }
        texts = {name: "?" if value is None else str(value)[:200] for name, value in values.items()}
        return self.note.format(**texts)[: MAX_NOTE // 2]

    def click(self, item: Item, *, is_dry: bool) -> Click:
        """The rule's click on the item. Its identity is the same each time, so that it has an effect only once."""
        identity = f"{self.identity_prefix}{item.id}" + (f":dry:{item.version}" if is_dry else "")
        note, terms = self.note_for(item.snapshot), ActionInput(undo_for=self.undo_for)
        return Click(item.id, item.version, self.verb, self.person, VIA, identity, note=note, terms=terms)


def rule_name_of(who: str) -> str:
    """The rule's name, from the label of its ``person``."""
    return who.removeprefix(f"{VIA}:")


def is_untouched(item: Item) -> bool:
    """Whether nobody has worked on the item yet: open, never reopened, not claimed, snoozed, noted or proposed."""
    touched = (item.claimed_by, item.proposal, item.snoozed_until, item.note, item.problem)
    return item.state == "open" and item.waiting_since is None and not any(touched)


def may_resume(stopped_at: datetime, now: datetime) -> bool:
    """Whether a rule that stopped at ``stopped_at`` may act again."""
    return now - stopped_at >= WINDOW
