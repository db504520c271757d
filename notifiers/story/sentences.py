"""The sentences of stories in English, by kind, verb and outcome; the catalogs in i18n/locale/ translate them."""

from collections.abc import Callable
from dataclasses import dataclass

from notifiers.text import one_line
from receiver.domain.refusal import N_


@dataclass(frozen=True, slots=True)
class Sentences:
    """The sentences of one kind of item.

    ``title`` begins the headline. ``statement`` says what happened, without its full stop, with the placeholders
    ``{debtor}``, ``{claim}`` and ``{source}``. ``question`` is what a person must decide or do.
    """

    title: str
    statement: str
    question: str


REPLY = N_("The collection partner is waiting for your answer.")
UNKNOWN = Sentences(
    N_("To do at {source}"),
    N_("{source} has something for you to do"),
    N_("Open it at {source} to see what is needed."),
)
KINDS = {
    "portal_dispute": Sentences(
        N_("Dispute"), N_("{debtor} disputes {claim}"), N_("Is the dispute justified? Validate it or reject it.")
    ),
    "hardship": Sentences(
        N_("Financial hardship"),
        N_("{debtor} declares financial hardship regarding {claim}"),
        N_("Do you accept the hardship declaration? Accept it or decline it."),
    ),
    "payment_plan": Sentences(
        N_("Payment plan proposed"),
        N_("{debtor} proposes a payment plan for {claim}"),
        N_("Do you accept the payment plan? Accept it or decline it."),
    ),
    "ai_dispute": Sentences(
        N_("Possible dispute on a call"),
        N_("{debtor} seems to have disputed {claim} on a call"),
        N_("Was this a dispute? The AI thinks so. Validate it or reject it."),
    ),
    "objection": Sentences(
        N_("Objection on a call"),
        N_("{debtor} seems to have objected to {claim} on a call"),
        N_("Is the objection justified? The AI heard it. Validate it or reject it."),
    ),
    "agreement": Sentences(
        N_("Payment agreement"),
        N_("{debtor} agreed to a payment plan for {claim}"),
        N_("For your information; nothing to decide."),
    ),
    "ReplyToChat": Sentences(
        N_("Reply to the collection partner"), N_("The collection partner awaits your reply on {claim}"), REPLY
    ),
    "ClientInputRequired": Sentences(
        N_("Your input is needed"), N_("The collection partner needs your input on {claim}"), REPLY
    ),
    "MoreInfoNeeded": Sentences(
        N_("More information needed"), N_("The collection partner asks for more information on {claim}"), REPLY
    ),
    "SelectQuoteWinner": Sentences(
        N_("Choose a quote"), N_("Quotes for {claim} await your choice"), N_("Choose one of the quotes at {source}.")
    ),
    "ReviewPartner": Sentences(
        N_("Rate the collection partner"),
        N_("{source} asks you to rate the partner who worked on {claim}"),
        N_("Rate the partner's work at {source}."),
    ),
    "SignContract": Sentences(
        N_("Sign a contract at {source}"),
        N_("{source} needs your signature on a contract or power of attorney"),
        N_("Sign the contract or power of attorney at {source}."),
    ),
    "AssignBankAccount": Sentences(
        N_("Name a payout account at {source}"),
        N_("{source} needs a bank account for payouts and processes nothing until it has one"),
        N_("Name the bank account for payouts at {source}."),
    ),
    "CaseValidationNeedsInfo": Sentences(
        N_("Correct the case data"),
        N_("{source} finds the data of {claim} incomplete or inconsistent"),
        N_("Complete or correct the data of the case at {source}."),
    ),
    "Generic": UNKNOWN,
    "overdue_installment": Sentences(
        N_("Installment overdue"),
        N_("{debtor} has missed an installment of the payment plan for {claim}"),
        N_("Check whether the overdue payment has come in."),
    ),
    "check_in": Sentences(
        N_("Hardship check-in due"),
        N_("It is time to ask {debtor}, who declared financial hardship, about {claim}"),
        N_("Ask whether the situation has changed, and record the answer at {source}."),
    ),
    "webhook_disabled": Sentences(
        N_("{source} has switched off its webhook"),
        N_("{source} sends Casebell no events any more; polling goes on, so that alerts come a little later"),
        N_("Once the address answers, switch the webhook on again at {source}."),
    ),
}
# By the reason of the conflict. {one} is the system that reports it, {other} the system that disagrees.
CONFLICTS = {
    "paid": Sentences(
        N_("Conflict"),
        N_("{one} shows {claim} as paid, while {other} still shows it open"),
        N_("Check the payment, then close it at {other}, too. This alert closes by itself once the two agree."),
    ),
    "disputed": Sentences(
        N_("Conflict"),
        N_("{debtor} disputes {claim} at {one}, while {other} goes on collecting"),
        N_("Pause it at {other}, or decide the dispute at {one}. This alert closes by itself once the two agree."),
    ),
    "planned": Sentences(
        N_("Conflict"),
        N_("{debtor} agreed to a payment plan for {claim} at {one}, while {other} goes on collecting"),
        N_("Pause it at {other} while the plan is kept. This alert closes by itself once the two agree."),
    ),
}
CONFLICT_HEADLINES = {
    "paid": N_("paid at {one}, open at {other}"),
    "disputed": N_("disputed at {one}, pursued by {other}"),
    "planned": N_("plan agreed at {one}, pursued by {other}"),
}
REQUESTS = {
    "validate": N_("{who} asked {source} to validate this; waiting for its confirmation"),
    "reject": N_("{who} asked {source} to reject this; waiting for its confirmation"),
    "reopen": N_("{who} asked {source} to reopen this; waiting for its confirmation"),
    "update_plan": N_("{who} asked {source} to change the plan; waiting for its confirmation"),
    "undo": N_("{who} asked {source} to take the decision back; waiting for its confirmation"),
    "reply": N_("{who}'s reply is on its way to {source}"),
}
REQUESTS_ON_PROPOSAL = {
    "validate": N_("{who} asked {source} to accept this; waiting for its confirmation"),
    "reject": N_("{who} asked {source} to decline this; waiting for its confirmation"),
}
RESOLVED_BY = {
    "validated": N_("Validated by {who} via {via}, {moment}"),
    "rejected": N_("Rejected by {who} via {via}, {moment}"),
    "solved": N_("Answered by {who} via {via}, {moment}"),
    "completed": N_("Completed by {who} via {via}, {moment}"),
}
RESOLVED_BY_ON_PROPOSAL = {
    "validated": N_("Accepted by {who} via {via}, {moment}"),
    "rejected": N_("Declined by {who} via {via}, {moment}"),
}
# A payment plan or a declaration of hardship is accepted or declined; a dispute is validated or rejected.
ACCEPTED_KINDS = frozenset({"payment_plan", "hardship"})
PROPOSALS = {
    "validate": N_("{who} proposes to validate this; a second person must confirm it."),
    "reject": N_("{who} proposes to reject this; a second person must confirm it."),
    "reply": N_("{who} proposes this reply; a second person must confirm it."),
    "update_plan": N_("{who} proposes another plan; a second person must confirm it."),
}
PROPOSALS_TO_ACCEPT = {
    "validate": N_("{who} proposes to accept this; a second person must confirm it."),
    "reject": N_("{who} proposes to decline this; a second person must confirm it."),
}
REMINDERS = {
    "reminder": N_("Reminder: this still waits for a decision, since {moment}."),
    "assigned": N_("{who} asks you to look after this."),
    "woken": N_("The snooze is over: this waits for a decision."),
}
RESOLVED_AT_SOURCE = {
    "validated": N_("Validated at {source} by somebody else, {moment}"),
    "rejected": N_("Rejected at {source} by somebody else, {moment}"),
    "solved": N_("Solved at {source}, {moment}"),
    "completed": N_("Completed at {source}, {moment}"),
    "paid": N_("Paid, as {source} shows, {moment}"),
    "agreed": N_("The two systems agree again, {moment}"),
    "gone": N_("No longer open at {source}, {moment}"),
}
VIA = {
    "slack": N_("Slack"),
    "mail": N_("e-mail"),
    "web": N_("the web inbox"),
    "cli": N_("the command line"),
    "automation": N_("a rule"),
}
SIDES = {"partner": N_("collection partner"), "creditor": N_("your side"), "system": N_("system")}
RESOLVED_BY_SOMEBODY = N_("Resolved by {who} via {via}, {moment}")
RESOLVED_SOMEHOW = N_("Resolved at {source} by somebody else, {moment}")
# Files to which the source gives no name.
FILES = {"recording": N_("Recording of the call"), "document": N_("Document")}
PROBLEMS = {
    "still_open": N_("{source} took the request, but this is still open there. Please look at it again."),
    "still_closed": N_("{source} took the request to reopen this, but it is still closed there."),
    "proposal_void": N_("What was proposed is void: this changed at {source} since. Please look at it again."),
}
# Questions that no verb of Casebell answers: they name the source already, or ask for no decision.
QUESTIONS_WITHOUT_VERBS = frozenset(
    sentences.question
    for kind, sentences in (KINDS | CONFLICTS).items()
    if "{source}" in sentences.question or kind in {"agreement", "overdue_installment", *CONFLICTS}
)


def file_name(name: str | None, gettext: Callable[[str], str]) -> str:
    """The name of a recording or a file; ``gettext`` translates the name of one that has none."""
    line = one_line(name or "")
    return gettext(FILES.get(line, "File")) if line in FILES or not line else line
