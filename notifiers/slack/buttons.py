"""Builds the buttons of a Slack message: deciding verbs, then links to the source, then an overflow menu. Pure."""

from functools import partial

from slack_sdk.models.blocks import ButtonElement, ConfirmObject, OverflowMenuElement

from notifiers.i18n import translator
from notifiers.i18n.formats import Formats
from notifiers.slack import block_kit, escaping, wire
from notifiers.story.sentences import ACCEPTED_KINDS
from notifiers.text import one_line
from receiver.domain.automation import VIA
from receiver.domain.item import Item
from receiver.domain.notice import Link, Notice
from receiver.domain.refusal import N_

MAX_VISIBLE = 3
MAX_HIDDEN = 5

# Keys of the translations, in the order of the buttons. A verb without a label needs input that a Slack form cannot
# take; links lead to the page that can.
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
_SECONDARY = ("claim", "release", "assign", "snooze", "wake", "note", "reopen")
_PRIMARY = ("validate", "reply", "confirm")
_WITH_DIALOG = ("validate", "confirm")  # verbs with a financial effect ask for a confirmation

Gettext = partial[str]  # ``ports.Translator.say`` bound to a locale


def buttons(notice: Notice, gettext: Gettext) -> list[ButtonElement | OverflowMenuElement]:
    """At most three buttons and a menu, only for verbs that are allowed now.

    A resolved item has no buttons, except an undo for everybody while a decision of an automation can be undone.
    """
    if notice.item.state == "resolved":
        is_automated = notice.item.resolved_via == VIA and "undo" in notice.verbs
        return undo_buttons(notice, gettext) if is_automated else []
    verbs = [verb for verb in LABELS if verb in notice.verbs] if notice.item.state == "open" else []
    links = source_links(notice)
    first = [verb for verb in verbs if verb not in _SECONDARY][: MAX_VISIBLE - len(links)]
    rest = [verb for verb in verbs if verb not in first]
    spare = MAX_VISIBLE - len(first) - len(links)
    hidden = rest[spare:][:MAX_HIDDEN]
    return [
        *(_verb_button(notice, verb, gettext, is_main=verb == first[0]) for verb in first),
        *(_link_button(notice, link, gettext, n) for n, link in enumerate(links)),
        *(_verb_button(notice, verb, gettext) for verb in rest[:spare]),
        *([_menu(notice, hidden, gettext)] if hidden else []),
    ]


def undo_buttons(notice: Notice, gettext: Gettext) -> list[ButtonElement | OverflowMenuElement]:
    """An undo button, and a menu with "reopen" where the item allows it."""
    reopen = ["reopen"] if "reopen" in notice.verbs else []
    return [_verb_button(notice, "undo", gettext), *([_menu(notice, reopen, gettext)] if reopen else [])]


def label_of(verb: str, item: Item) -> str:
    """The untranslated label of a verb; a debtor's proposal is accepted or declined."""
    return (LABELS_OF_PROPOSALS if item.kind in ACCEPTED_KINDS else LABELS).get(verb, LABELS[verb])


def source_name(item: Item) -> str:
    """The display name of the item's source."""
    return escaping.cut(one_line(item.snapshot.source), 20).capitalize() or "?"


def source_links(notice: Notice) -> list[Link]:
    """The link to the item's page at its source; for a conflict, the links to both sides."""
    twins = block_kit.safe_links(notice.links, "twin")[:2] if notice.item.snapshot.sides else []
    return block_kit.safe_links(notice.links, "solution")[:1] or twins


def link_label(notice: Notice, link: Link, gettext: Gettext) -> str:
    """The translated label "Open in …" of a link to a source."""
    source = (
        escaping.cut(one_line(link.name or ""), 20).capitalize() if link.what == "twin" else source_name(notice.item)
    )
    return escaping.cut(gettext("Open in {source}", source=source or "?"), block_kit.MAX_LABEL)


def case_label(notice: Notice) -> str:
    """Reference and amount, without personal data; the item's key if both are missing."""
    snapshot = notice.item.snapshot
    reference = escaping.cut(one_line(snapshot.reference or snapshot.case_reference or ""), 60)
    amount = formats_for(notice).money(snapshot.amount) if snapshot.amount else ""
    parts = [part for part in (reference, amount) if part]
    return " · ".join(parts) or escaping.cut(one_line(notice.item.key), 100)


def formats_for(notice: Notice) -> Formats:
    """Formats in the language and time zone of the notice's route."""
    return translator.formats_for(notice.route.locale, notice.route.timezone, notice.now)


def _verb_button(notice: Notice, verb: str, gettext: Gettext, *, is_main: bool = False) -> ButtonElement:
    """A button for a verb; only the main one may be green."""
    label = _label(verb, notice.item, gettext)
    style = "danger" if verb == "reject" else "primary" if is_main and verb in _PRIMARY else None
    confirm = _confirm(notice, label, gettext) if verb in _WITH_DIALOG else None
    value = _value(notice.item, verb)
    return block_kit.button(label, f"{label}: {case_label(notice)}", verb, value=value, style=style, confirm=confirm)


def _link_button(notice: Notice, link: Link, gettext: Gettext, number: int) -> ButtonElement:
    label = link_label(notice, link, gettext)
    action_id = wire.OPEN if number == 0 else f"{wire.OPEN}_{number}"  # an action_id is unique in a message
    return block_kit.button(label, f"{label}: {case_label(notice)}", action_id, url=link.url)


def _menu(notice: Notice, verbs: list[str], gettext: Gettext) -> OverflowMenuElement:
    labels = [(_label(verb, notice.item, gettext), _value(notice.item, verb)) for verb in verbs]
    return block_kit.overflow(wire.MORE, labels)


def _confirm(notice: Notice, label: str, gettext: Gettext) -> ConfirmObject:
    effect = gettext("{source} is told at once.", source=source_name(notice.item))
    return block_kit.confirm(f"{label}?", f"{case_label(notice)}\n{effect}", label, gettext("Cancel"))


def _value(item: Item, verb: str) -> str:
    return wire.ItemAction(item.id, item.version, verb).value


def _label(verb: str, item: Item, gettext: Gettext) -> str:
    return escaping.cut(gettext(label_of(verb, item)), block_kit.MAX_LABEL) or verb
