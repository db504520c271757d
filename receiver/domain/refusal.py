"""The sentences that explain to a person why their action was refused. They are translated where they are shown."""

from receiver.domain.item import Item


def N_(message: str) -> str:  # noqa: N802 - gettext's name
    """Mark a message for extraction; it is translated later."""
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
    "undo_over": N_("It is too late to undo this. It can still be reopened, with a note."),
    "bad_until": N_("Please choose how long: an hour, four hours, tomorrow, next Monday or a day within a year."),
    "nobody": N_("Please say who should look after it."),
    "not_a_resolver": N_("{who} is not on the list of people who may decide here."),
    "four_eyes": N_("You proposed this yourself; a second person must confirm it."),
    "four_eyes_unsure": N_(
        "It cannot be told that you are somebody else than {who}, who proposed this. Confirm in Slack if it was "
        "proposed there, or ask an administrator to list both addresses in [people], not only their domain."
    ),
    "four_eyes_unlisted": N_(
        "This takes two people, and many may read a mailbox. Decide in Slack, or ask an administrator to list your "
        "address in [people], not only its domain."
    ),
    "four_eyes_who": N_("This takes two people. Say who you are, with an address that may decide here."),
    "proposal_void": N_("Your proposal is void: this changed at the source since. Please look again."),
    "proposal_withdrawn": N_("{who} has withdrawn your proposal."),
    "plan_months": N_("Please give the months as a whole number from 1 to {most}."),
    "plan_date": N_("Please give the day as year-month-day, such as 2026-04-01."),
    "plan_date_past": N_("The plan cannot begin in the past."),
    "plan_date_far": N_("The plan cannot begin more than two years from now."),
    "plan_amount": N_("Please give an amount above zero, such as 150 or 150.50."),
    "plan_amount_too_fine": N_("The currency has {digits} decimals, not more."),
    "plan_amount_over": N_("The first payment is more than what is owed."),
    "plan_one_payment": N_("With one month the first payment must be the whole amount owed."),
    "plan_nothing_left": N_("The first payment is the whole amount owed; give one month, or a smaller payment."),
    "plan_same": N_("This is the plan as it is; nothing would change."),
}


def why_stale(item: Item) -> tuple[str, dict[str, str]]:
    """Why an action on an older version of the item is refused: a key of SENTENCES and its placeholders."""
    if item.state == "acting" and item.attempt:
        return "already_acting", {"who": item.attempt.who, "verb": item.attempt.verb}
    if item.state == "resolved":
        if item.resolved_by:
            return "already_resolved", {"who": item.resolved_by, "outcome": item.outcome or ""}
        return "resolved_elsewhere", {"outcome": item.outcome or ""}
    return "stale", {}
