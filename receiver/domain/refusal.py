"""Why a press came to nothing, in words for the person who pressed; translated where they are shown."""

from receiver.domain.item import Item


def N_(message: str) -> str:  # noqa: N802 - gettext's own name for "translate this later"
    return message


SENTENCES = {
    "unknown_item": N_("This item is not known here any more."),
    "not_allowed": N_("You are not on the list of people who may decide here. Ask an administrator of Casebell."),
    "not_offered": N_("This cannot be done with this item now."),
    "already_acting": N_("{who} was faster: the source is already being asked ({verb})."),
    "already_resolved": N_("{who} was faster: this is resolved ({outcome})."),
    "resolved_elsewhere": N_("This is resolved already ({outcome}), at the source."),
    "stale": N_("This changed while you looked at it. Please look again, then decide."),
    "link_used": N_("This link was used already."),
    "needs_words": N_("Please say a few words; they are needed here."),
    "too_long": N_("That is too long; {most} characters are allowed."),
    "claimed": N_("{who} has claimed this already."),
}


def why_stale(item: Item) -> tuple[str, dict[str, str]]:
    """The code and values that tell somebody late what happened since."""
    if item.state == "acting" and item.attempt:
        return "already_acting", {"who": item.attempt.who, "verb": item.attempt.verb}
    if item.state == "resolved":
        if item.resolved_by:
            return "already_resolved", {"who": item.resolved_by, "outcome": item.outcome or ""}
        return "resolved_elsewhere", {"outcome": item.outcome or ""}
    return "stale", {}
