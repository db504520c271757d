"""A notice and the voice it is told in (step 6): strangers' words cleaned and masked, what all parts need. Pure."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from notifiers.i18n.formats import Formats
from notifiers.text import clean, cut, mask, one_line, pretty
from receiver.domain.item import Detail, Installment, Item, Snapshot
from receiver.domain.notice import Notice

MAX_READ = 100_000  # characters looked at of anything a stranger wrote
MAX_NAME = 80
MAX_REFERENCE = 60
SHORTEST_HIDDEN = 3  # letters: a shorter name would be found inside other words


@dataclass(frozen=True, slots=True)
class StoryContext:
    notice: Notice
    voice: Formats

    @property
    def item(self) -> Item:
        return self.notice.item

    @property
    def snapshot(self) -> Snapshot:
        return self.notice.item.snapshot

    @property
    def source(self) -> str:
        return cut(one_line(self.snapshot.source), 40).capitalize() or "?"

    @property
    def debtor(self) -> str | None:
        """The name, or its initials where the route asks for that."""
        name = cut(one_line(self.snapshot.debtor or ""), MAX_NAME)
        return mask(name) if name and self.notice.route.mask_debtor else name or None

    @property
    def reference(self) -> str | None:
        return self.line(self.snapshot.reference, MAX_REFERENCE) or None

    @property
    def case_reference(self) -> str | None:
        return self.line(self.snapshot.case_reference, MAX_REFERENCE) or None

    def text(self, text: str | None, limit: int) -> str:
        """What a stranger wrote, fit to be shown: cleaned, the debtor's full name masked if asked for, cut."""
        return cut(self._masked(clean((text or "")[:MAX_READ])), limit)

    def line(self, text: str | None, limit: int) -> str:
        """The same on one line."""
        return cut(self._masked(one_line((text or "")[:MAX_READ])), limit)

    def detail(self, name: str) -> Detail | None:
        return next((detail for detail in self.snapshot.details if detail.name == name), None)

    def moment_and_age(self, at: datetime) -> str:
        return self.voice.words("{moment} ({age})", moment=self.voice.moment(at), age=self.voice.age(at))

    def overdue(self) -> list[Installment]:
        today = self.voice.today()
        return [part for part in self.unpaid() if part.due_on and part.due_on < today]

    def unpaid(self) -> Iterator[Installment]:
        return (part for part in self.snapshot.installments if not part.is_paid)

    def label(self) -> str:
        """The type in the source's words, for a kind that Casebell has no words for."""
        detail = self.detail("type_label")
        return self.line(detail.text if detail else None, MAX_NAME) or self.line(pretty(self.snapshot.kind), MAX_NAME)

    def _masked(self, text: str) -> str:
        words = one_line(self.snapshot.debtor or "").split()
        if not self.notice.route.mask_debtor or sum(map(len, words)) < SHORTEST_HIDDEN:
            return text
        name = r"\s+".join(re.escape(word) for word in words)
        return re.sub(rf"(?<!\w){name}(?!\w)", mask(" ".join(words)), text, flags=re.IGNORECASE)
