"""What the other system says of the same receivable, in a line (step 6): a twin, the sides of a conflict. Pure."""

from collections.abc import Iterator

from notifiers.i18n.vocabulary import value_of
from notifiers.story.context import MAX_NAME, MAX_REFERENCE, StoryContext
from notifiers.text import cut, one_line
from receiver.domain.twin import Twin

MAX_SOURCE = 40


def N_(message: str) -> str:  # noqa: N802 - gettext's own name for "translate this later"
    return message


# In the order in which they are told; what a stage says anyway is left out.
STANDING = {
    "disputed": N_("Disputed"),
    "planned": N_("Payment plan agreed"),
    "broken": N_("Payment plan overdue"),
    "paid": N_("Paid"),
}
NAMES = {"debitura": N_("Case {reference}"), "getbill": N_("Debt {reference}")}


def twins(context: StoryContext) -> Iterator[tuple[str, str]]:
    """Label and value: the item's twin, or the two sides of a conflict."""
    if context.item.twin is not None:
        label = context.voice.words("Also at {source}", source=source_of(context.item.twin))
        yield label, described(context, context.item.twin)
    for side in context.snapshot.sides:
        yield source_of(side), described(context, side)


def described(context: StoryContext, twin: Twin) -> str:
    """Such as "Case Q8OAXF3W, Active, partner Nordic Collect"."""
    voice, said = context.voice, []
    if name := context.line(twin.name, MAX_REFERENCE):
        said.append(voice.words(NAMES.get(twin.source, NAMES["debitura"]), reference=name))
    said += [voice.words(word) for standing, word in STANDING.items() if standing in twin.standing]
    if stage := context.line(value_of(context.voice, twin.stage), MAX_NAME):
        said.append(stage)
    if partner := context.line(twin.partner, MAX_NAME):
        said.append(voice.words("partner {name}", name=partner))
    line = ", ".join(dict.fromkeys(said)) or context.reference or ""
    if twin.is_sure:
        return line
    return voice.words("{what} (same reference, not confirmed)", what=line)


def source_of(twin: Twin) -> str:
    return cut(one_line(twin.source), MAX_SOURCE).capitalize() or "?"
