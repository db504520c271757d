"""Formats the amounts at risk: a sum for each currency, and the number of items without a known amount. Pure."""

from notifiers.i18n.formats import Formats
from receiver.domain.totals import Totals

MAX_CHARS = 110


def format_at_risk(totals: Totals, formats: Formats, max_chars: int = MAX_CHARS) -> str:
    """Such as "€1,500.00 + DKK 500.00 + 3 items, amount or currency not known yet"; empty when nothing is at risk.

    Currencies that do not fit into ``max_chars`` are counted, but the first one is always written.
    """
    sums = [formats.money(one.total) for one in totals.at_risk]
    return _join_sums(sums, totals, formats, max_chars, min_sums=1)


def format_other_currencies(totals: Totals, formats: Formats, max_chars: int = MAX_CHARS) -> str:
    """The same without the first currency, for a note beside it."""
    sums = [formats.money(one.total) for one in totals.at_risk[1:]]
    return _join_sums(sums, totals, formats, max_chars, min_sums=0)


def _join_sums(sums: list[str], totals: Totals, formats: Formats, max_chars: int, min_sums: int) -> str:
    unknown = formats.ngettext(
        "{n} item, amount or currency not known yet", "{n} items, amount or currency not known yet", totals.unknown
    )
    kept = len(sums)
    while True:
        left = len(sums) - kept
        more = formats.ngettext("{n} more currency", "{n} more currencies", left)
        text = " + ".join([*sums[:kept], *([more] if left else []), *([unknown] if totals.unknown else [])])
        if len(text) <= max_chars or kept <= min_sums:
            return text
        kept -= 1
