"""Facts about the same receivable in the other system: an item's twin, or the two sides of a conflict. Pure."""

from collections.abc import Iterator

from notifiers.i18n.vocabulary import value_of
from notifiers.story.context import MAX_NAME, MAX_REFERENCE, StoryContext
from notifiers.text import cut, one_line
from receiver.domain.refusal import N_
from receiver.domain.twin import Twin

MAX_SOURCE = 40

# In the order of reading. A standing that the stage expresses anyway is not listed.
STANDINGS = {
    "disputed": N_("Disputed"),
    "planned": N_("Payment plan agreed"),
    "broken": N_("Payment plan overdue"),
    "paid": N_("Paid"),
}
NAMES = {"debitura": N_("Case {reference}"), "getbill": N_("Debt {reference}")}


def list_twins(context: StoryContext) -> Iterator[tuple[str, str]]:
    """Label and value: the item's twin, or the two sides of a conflict."""
    if context.item.twin is not None:
        label = context.formats.gettext("Also at {source}", source=source_name(context.item.twin))
        yield label, format_twin(context, context.item.twin)
    for side in context.snapshot.sides:
        yield source_name(side), format_twin(context, side)


def format_twin(context: StoryContext, twin: Twin) -> str:
    """Such as "Case Q8OAXF3W, Active, partner Nordic Collect"."""
    formats, parts = context.formats, []
    if name := context.line(twin.name, MAX_REFERENCE):
        parts.append(formats.gettext(NAMES.get(twin.source, NAMES["debitura"]), reference=name))
    parts += [formats.gettext(label) for standing, label in STANDINGS.items() if standing in twin.standing]
    if stage := context.line(value_of(context.formats, twin.stage), MAX_NAME):
        parts.append(stage)
    if partner := context.line(twin.partner, MAX_NAME):
        parts.append(formats.gettext("partner {name}", name=partner))
    line = ", ".join(dict.fromkeys(parts)) or context.reference or ""
    if twin.is_sure:
        return line
    return formats.gettext("{what} (same reference, not confirmed)", what=line)


def source_name(twin: Twin) -> str:
    return cut(one_line(twin.source), MAX_SOURCE).capitalize() or "?"
