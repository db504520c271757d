"""What is at risk, in words (step 6): a sum for each currency, and what no sum takes in. Pure."""

from notifiers.i18n.formats import Formats
from receiver.domain.totals import Totals

MOST_LETTERS = 110


def at_risk(totals: Totals, voice: Formats, room: int = MOST_LETTERS) -> str:
    """Such as "€1,500.00 + DKK 500.00 + 3 items, amount or currency not known yet"; empty when nothing is at risk.

    Currencies that do not fit in ``room`` letters are counted; the first one always stands.
    """
    sums = [voice.money(one.total) for one in totals.at_risk]
    return _fitting(sums, totals, voice, room, least=1)


def beside_the_first(totals: Totals, voice: Formats, room: int = MOST_LETTERS) -> str:
    """The same without the first currency, for beside it."""
    sums = [voice.money(one.total) for one in totals.at_risk[1:]]
    return _fitting(sums, totals, voice, room, least=0)


def _fitting(sums: list[str], totals: Totals, voice: Formats, room: int, least: int) -> str:
    unknown = voice.numbered(
        "{n} item, amount or currency not known yet", "{n} items, amount or currency not known yet", totals.unknown
    )
    kept = len(sums)
    while True:
        left = len(sums) - kept
        more = voice.numbered("{n} more currency", "{n} more currencies", left)
        written = " + ".join([*sums[:kept], *([more] if left else []), *([unknown] if totals.unknown else [])])
        if len(written) <= room or kept <= least:
            return written
        kept -= 1
