"""The buttons of a Slack message (step 6): what decides, then the link, then the rest; never a wall of them. Pure."""

from functools import partial

from slack_sdk.models.blocks import ButtonElement, ConfirmObject, OverflowMenuElement

from notifiers.i18n.formats import Formats, zone_of
from notifiers.i18n.translator import Translator, language_of
from notifiers.slack import block_kit, escaping, wire
from notifiers.story.sentences import ACCEPTED_KINDS
from notifiers.text import one_line
from receiver.domain.automation import VIA
from receiver.domain.item import Item
from receiver.domain.notice import Link, Notice
from receiver.domain.refusal import N_

MAX_VISIBLE = 3  # people hate walls of buttons (contract A9)
MAX_HIDDEN = 5

# The English labels are the keys of the translations; the order is the order of the buttons. A verb without a label
# needs more than Slack can ask for; the links lead to where it is done.
LABELS = {
    "confirm": N_("Confirm"),
    "withdraw": N_("Withdraw"),
    "validate": N_("Validate"),
    "reject": N_("Reject"),
    "reply": N_("Reply"),
    "update_plan": N_("Change the plan"),
    "undo": N_("Undo"),
    "claim": N_("Claim"),
    "release": N_("Release"),
    "assign": N_("Assign"),
    "snooze": N_("Snooze"),
    "wake": N_("End the snooze"),
    "note": N_("Add a note"),
    "reopen": N_("Reopen with a note"),
}
LABELS_OF_PROPOSALS = {"validate": N_("Accept"), "reject": N_("Decline")}
_MINOR = ("claim", "release", "assign", "snooze", "wake", "note", "reopen")
_GREEN = ("validate", "reply", "confirm")
_ASKING_TWICE = ("validate", "confirm")  # what costs money asks once more (contract A9)

LocalSay = partial[str]  # ``ports.Translator.say`` in one language


def buttons(notice: Notice, words: LocalSay) -> list[ButtonElement | OverflowMenuElement]:
    """At most three in sight, further verbs in a menu; none that may not be pressed, and nothing once it is done.

    But what a rule did, nobody was offered to undo: for that time the button is there for all.
    """
    if notice.item.state == "resolved":
        is_a_rules = notice.item.resolved_via == VIA and "undo" in notice.verbs
        return taking_back(notice, words) if is_a_rules else []
    verbs = [verb for verb in LABELS if verb in notice.verbs] if notice.item.state == "open" else []
    solution = doors(notice)
    first = [verb for verb in verbs if verb not in _MINOR][: MAX_VISIBLE - len(solution)]
    rest = [verb for verb in verbs if verb not in first]
    spare = MAX_VISIBLE - len(first) - len(solution)
    hidden = rest[spare:][:MAX_HIDDEN]
    return [
        *(_verb_button(notice, verb, words, is_main=verb == first[0]) for verb in first),
        *(_open_button(notice, link, words, n) for n, link in enumerate(solution)),
        *(_verb_button(notice, verb, words) for verb in rest[:spare]),
        *([_menu(notice, hidden, words)] if hidden else []),
    ]


def taking_back(notice: Notice, words: LocalSay) -> list[ButtonElement | OverflowMenuElement]:
    """For whoever decided, and nobody else: what a person has done has no button for all to press."""
    again = ["reopen"] if "reopen" in notice.verbs else []
    return [_verb_button(notice, "undo", words), *([_menu(notice, again, words)] if again else [])]


def label_of(verb: str, item: Item) -> str:
    """The key of a verb's label: what a debtor proposes is accepted or declined."""
    return (LABELS_OF_PROPOSALS if item.kind in ACCEPTED_KINDS else LABELS).get(verb, LABELS[verb])


def source_name(item: Item) -> str:
    return escaping.cut(one_line(item.snapshot.source), 20).capitalize() or "?"


def doors(notice: Notice) -> list[Link]:
    """Where the matter is seen to: at its source; both sides of a conflict, which has none of its own."""
    twins = block_kit.openable(notice.links, "twin")[:2] if notice.item.snapshot.sides else []
    return block_kit.openable(notice.links, "solution")[:1] or twins


def open_label(notice: Notice, link: Link, words: LocalSay) -> str:
    source = (
        escaping.cut(one_line(link.name or ""), 20).capitalize() if link.what == "twin" else source_name(notice.item)
    )
    return escaping.cut(words("Open in {source}", source=source or "?"), block_kit.MAX_LABEL)


def what_of(notice: Notice) -> str:
    """Reference and amount: enough to know the case by, nothing about a person."""
    said = notice.item.snapshot
    named = escaping.cut(one_line(said.reference or said.case_reference or ""), 60)
    amount = voice_of(notice).money(said.amount) if said.amount else ""
    return " · ".join(word for word in (named, amount) if word) or escaping.cut(one_line(notice.item.key), 100)


def voice_of(notice: Notice) -> Formats:
    route = notice.route
    return Formats(Translator(), language_of(route.locale), zone_of(route.timezone), notice.now)


def _verb_button(notice: Notice, verb: str, words: LocalSay, *, is_main: bool = False) -> ButtonElement:
    """One green button shows the way; two would show nothing."""
    label = _label(verb, notice.item, words)
    style = "danger" if verb == "reject" else "primary" if is_main and verb in _GREEN else None
    confirm = _confirm(notice, label, words) if verb in _ASKING_TWICE else None
    value = _value(notice.item, verb)
    return block_kit.button(label, f"{label}: {what_of(notice)}", verb, value=value, style=style, confirm=confirm)


def _open_button(notice: Notice, link: Link, words: LocalSay, number: int) -> ButtonElement:
    label = open_label(notice, link, words)
    action_id = wire.OPEN if number == 0 else f"{wire.OPEN}_{number}"  # each its own within a message
    return block_kit.button(label, f"{label}: {what_of(notice)}", action_id, url=link.url)


def _menu(notice: Notice, verbs: list[str], words: LocalSay) -> OverflowMenuElement:
    labels = [(_label(verb, notice.item, words), _value(notice.item, verb)) for verb in verbs]
    return block_kit.overflow(wire.MORE, labels)


def _confirm(notice: Notice, label: str, words: LocalSay) -> ConfirmObject:
    told = words("{source} is told at once.", source=source_name(notice.item))
    return block_kit.confirm(f"{label}?", f"{what_of(notice)}\n{told}", label, words("Cancel"))


def _value(item: Item, verb: str) -> str:
    return wire.Press(item.id, item.version, verb).value


def _label(verb: str, item: Item, words: LocalSay) -> str:
    return escaping.cut(words(label_of(verb, item)), block_kit.MAX_LABEL) or verb
