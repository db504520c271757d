"""Words that must reach people: colleagues' notes, nothing twice, nothing that is no longer so."""

import re
from dataclasses import replace
from email.message import EmailMessage
from html import unescape

import pytest

from notifiers.email.render import render as render_mail
from notifiers.i18n.translator import Translator
from notifiers.slack.render import render, render_text_only
from receiver.domain.item import Attempt, Detail, Line, Medium
from receiver.domain.notice import Link, Notice, Story
from receiver.domain.routing import Route
from receiver.samples.items import sample_item
from receiver.samples.notice import sample_notice
from tests.factories import NOW, make_item, make_notice, make_snapshot

DETAILS = tuple(Detail(f"fact_{n}", text="yes") for n in range(20))
REPLY = make_snapshot(
    kind="ReplyToChat",
    source="debitura",
    question="Do you accept?",
    conversation=(Line("partner", "Lars Holm", "Do you accept?", NOW),),
    verbs=("reply",),
)


def story(notice: Notice) -> Story:
    return Translator().story(notice)


def shown(notice: Notice) -> str:
    return str(render(notice, story(notice), Translator().say).blocks)


def mail_of(notice: Notice) -> EmailMessage:
    return render_mail(
        notice,
        story(notice),
        Translator().say,
        "casebell@creditor.example",
        "ar@creditor.example",
        "casebell.example.com",
    )


def mailed(notice: Notice) -> str:
    body = mail_of(notice).get_body(("plain",))
    assert body is not None
    text: str = body.get_content()
    return text


def in_french(notice: Notice) -> Notice:
    return replace(notice, route=Route("litiges", locale="fr", timezone="Europe/Paris"))


def test_a_colleagues_note_is_seen_however_many_facts_the_source_gives() -> None:
    note = "Her bank confirms the transfer, " + "we wait for the statement, " * 12 + "which comes on Friday."
    notice = make_notice(make_item(make_snapshot(details=DETAILS), note=note))

    assert "which comes on Friday." in shown(notice)
    assert note in str(story(notice).status)


def test_what_the_conversation_shows_is_not_said_again_while_the_source_is_asked() -> None:
    acting = make_item(REPLY, state="acting", attempt=Attempt(7, "reply", "Ana Silva", "slack", NOW))

    assert shown(make_notice(acting)).count("Do you accept?") == 1


def test_a_resolved_item_does_not_claim_that_collection_is_still_paused() -> None:
    paused = make_snapshot(is_open=False, is_collection_paused=True)
    resolved = make_item(paused, state="resolved", resolved_at=NOW, outcome="rejected")

    assert "Collection paused" in dict(story(make_notice()).facts)
    assert "Collection paused" not in dict(story(make_notice(resolved)).facts)


@pytest.mark.parametrize("debtor", ["*Bold* Ltd", "_Sly_", "~Gone~", "`Code`", "(*Bold*)"])
def test_a_debtors_name_styles_nothing_where_slack_reads_markup(debtor: str) -> None:
    notice = make_notice(make_item(make_snapshot(debtor=debtor)))

    for text in (render_text_only(notice, story(notice)).text, render(notice, story(notice), Translator().say).text):
        assert not re.search("(?<!\N{COMBINING GRAPHEME JOINER})[*_~`]", text.splitlines()[0])


def test_a_reference_with_underscores_stays_what_can_be_searched_for() -> None:
    notice = make_notice(make_item(make_snapshot(reference="INV_2024_001")))

    assert "INV_2024_001" in render_text_only(notice, story(notice)).text


@pytest.mark.parametrize("name", ["recording", "document"])
def test_a_recording_is_called_so_in_the_readers_language(name: str) -> None:
    media = Link("media", "https://casebell.example.com/media/x", name)
    snapshot = make_snapshot(media=(Medium("recording", name),))
    notice = in_french(make_notice(make_item(snapshot), links=(media,)))

    assert f"📎 {name}" not in shown(notice)
    assert f"\n{name}" not in mailed(notice)


def test_a_proof_keeps_the_name_its_file_has() -> None:
    notice = make_notice(links=(Link("media", "https://casebell.example.com/media/x", "receipt.pdf"),))

    assert "📎 receipt.pdf" in shown(notice)


def test_the_stage_of_a_debitura_case_is_told_in_the_readers_language() -> None:
    snapshot = replace(REPLY, details=(Detail("lifecycle", text="More Info Required"),))

    assert "Informations" in dict(story(in_french(make_notice(make_item(snapshot)))).facts)["Étape du dossier"]


def test_a_french_text_mail_sets_its_colons_as_french_does() -> None:
    notice = in_french(make_notice())
    lines = mailed(notice).splitlines()

    assert "Référence\N{NO-BREAK SPACE}: INV-2024-001" in lines
    assert not [line for line in lines if line[-1:] == ":" and line[-2:] != "\N{NO-BREAK SPACE}:"]


def test_a_links_colon_is_set_as_french_does_too() -> None:
    conflict = sample_notice(sample_item("conflict"), "fr")

    assert "Ouvrir dans Getbill\N{NO-BREAK SPACE}:" in mailed(conflict).splitlines()


def test_an_amount_is_never_parted_from_its_currency() -> None:
    mail = mail_of(in_french(make_notice()))
    html = mail.get_body(("html",))

    assert str(mail["subject"]).endswith("1\N{NARROW NO-BREAK SPACE}500,00\N{NO-BREAK SPACE}€")
    assert html is not None
    assert "1\N{NARROW NO-BREAK SPACE}500,00\N{NO-BREAK SPACE}€</h1>" in unescape(html.get_content())


def test_a_proposals_preview_has_the_button_that_confirms_it() -> None:
    assert "/act/" in mailed(sample_notice(sample_item("proposal"), "en"))


def test_what_only_the_source_can_do_has_the_mails_button_lead_there() -> None:
    links = (
        Link("decide", "https://casebell.example.com/act/x"),
        Link("solution", "https://app.debitura.com/Task?id=1"),
    )
    sign = make_item(replace(REPLY, kind="SignContract", conversation=(), verbs=()))
    text = mailed(make_notice(sign, links=links))
    answer = mailed(make_notice(make_item(REPLY), links=links))

    assert text.index("https://app.debitura.com/Task?id=1") < text.index("Claim:") < text.index("/act/x")
    assert "Review and decide" not in text
    assert answer.index("Review and decide:") < answer.index("https://app.debitura.com/Task?id=1")
    assert text.count("https://app.debitura.com") == answer.count("https://app.debitura.com") == 1
