"""The input of a story: a notice and its route's formats. Cleans and masks the source's texts. Pure."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from notifiers.i18n.formats import Formats
from notifiers.text import clean, cut, humanize, mask, one_line
from receiver.domain.item import Detail, Installment, Item, Snapshot
from receiver.domain.notice import Notice

MAX_READ = 100_000  # characters read of any text from outside
MAX_NAME = 80
MAX_REFERENCE = 60
MIN_MASKED = 3  # letters; a shorter name occurs in too many other words


@dataclass(frozen=True, slots=True)
class StoryContext:
    """Everything that the parts of a story read."""

    notice: Notice
    formats: Formats

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
        """The debtor's name, or the initials on a route with ``mask_debtor``."""
        name = cut(one_line(self.snapshot.debtor or ""), MAX_NAME)
        return mask(name) if name and self.notice.route.mask_debtor else name or None

    @property
    def reference(self) -> str | None:
        return self.line(self.snapshot.reference, MAX_REFERENCE) or None

    @property
    def case_reference(self) -> str | None:
        return self.line(self.snapshot.case_reference, MAX_REFERENCE) or None

    def text(self, text: str | None, limit: int) -> str:
        """A text from outside, cleaned and cut to ``limit`` characters, with the debtor's name masked if asked."""
        return cut(self._mask_debtor(clean((text or "")[:MAX_READ])), limit)

    def line(self, text: str | None, limit: int) -> str:
        """``text()`` on one line."""
        return cut(self._mask_debtor(one_line((text or "")[:MAX_READ])), limit)

    def detail(self, name: str) -> Detail | None:
        return next((detail for detail in self.snapshot.details if detail.name == name), None)

    def moment_and_age(self, at: datetime) -> str:
        return self.formats.gettext("{moment} ({age})", moment=self.formats.moment(at), age=self.formats.age(at))

    def overdue_installments(self) -> list[Installment]:
        today = self.formats.today()
        return [part for part in self.unpaid_installments() if part.due_on and part.due_on < today]

    def unpaid_installments(self) -> Iterator[Installment]:
        return (part for part in self.snapshot.installments if not part.is_paid)

    def type_label(self) -> str:
        """The source's name of the item's type, for a kind that Casebell has no sentences for."""
        detail = self.detail("type_label")
        return self.line(detail.text if detail else None, MAX_NAME) or self.line(humanize(self.snapshot.kind), MAX_NAME)

    def _mask_debtor(self, text: str) -> str:
        names = one_line(self.snapshot.debtor or "").split()
        if not self.notice.route.mask_debtor or sum(map(len, names)) < MIN_MASKED:
            return text
        pattern = r"\s+".join(re.escape(name) for name in names)
        return re.sub(rf"(?<!\w){pattern}(?!\w)", mask(" ".join(names)), text, flags=re.IGNORECASE)
