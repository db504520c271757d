"""A rule that presses a verb as a person would: what it takes, and what it says ([[automations]]). Pure."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta

from receiver.domain.action import MAX_NOTE, ActionInput, Click
from receiver.domain.item import Item, Snapshot
from receiver.domain.people import Person
from receiver.domain.routing import Match

VIA = "automation"
WINDOW = timedelta(hours=1)  # that ``at_most`` is counted in, and for which a rule stops


@dataclass(frozen=True, slots=True)
class Automation:
    """``at_most``: items within an hour; when one more would be acted on, the rule stops for an hour."""

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
        """Who the audit says it was."""
        return Person(name=f"{VIA}:{self.name}")

    @property
    def identities(self) -> str:
        """What the identity of everything this rule did begins with."""
        return f"{VIA}:{self.name}:"

    @property
    def alarm(self) -> str:
        """Name of the alarm that stands while the rule is stopped."""
        return f"{VIA}:{self.name}"

    def accepts(self, said: Snapshot) -> bool:
        """As in a route; where a confidence is asked for, one that the source did not tell is none."""
        is_sure = self.min_confidence is None or (
            said.confidence is not None and said.confidence >= self.min_confidence
        )
        return is_sure and self.match.accepts(said)

    def note_for(self, said: Snapshot) -> str | None:
        """The note with its placeholders filled in; "?" for what the source did not tell."""
        if self.note is None:
            return None
        facts = {
            "ai_confidence": said.confidence,
            "reference": said.reference,
            "theme": said.theme,
            "severity": said.severity,
            "rule": self.name,
        }
        words = {name: "?" if fact is None else str(fact)[:200] for name, fact in facts.items()}
        return self.note.format(**words)[: MAX_NOTE // 2]

    def press(self, item: Item, *, is_dry: bool) -> Click:
        """The one press of this rule on the item: its identity lets it happen once, whatever happens again."""
        identity = f"{self.identities}{item.id}" + (f":dry:{item.version}" if is_dry else "")
        return Click(
            item.id,
            item.version,
            self.verb,
            self.person,
            VIA,
            identity,
            note=self.note_for(item.snapshot),
            terms=ActionInput(undo_for=self.undo_for),
        )


def rule_in(who: str) -> str:
    """The rule's name in the label of who did it."""
    return who.removeprefix(f"{VIA}:")


def is_untouched(item: Item) -> bool:
    """Whether nobody has begun with it: open, never opened again, and in nobody's hands."""
    in_hands = (item.claimed_by, item.proposal, item.snoozed_until, item.note, item.problem)
    return item.state == "open" and item.waiting_since is None and not any(in_hands)


def is_over(stopped_at: datetime, now: datetime) -> bool:
    """Whether a rule that stopped then may act again."""
    return now - stopped_at >= WINDOW
