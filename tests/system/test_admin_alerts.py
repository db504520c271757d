"""When a source or a channel does not let Casebell work, the admins hear of it where it still can, and of the end."""

from pathlib import Path
from typing import Any

from tests.harness import World, eventually, world


def mailed(here: World, sentence: str) -> Any:
    return eventually(
        lambda: next((m for m in here.mail.messages if sentence in str(m.message["subject"])), None),
        f"a mail to the admins: {sentence}",
        60,
    )


def test_a_source_that_refuses_our_token_is_told_to_the_admins_and_its_return_too(tmp_path: Path) -> None:
    with world(tmp_path) as here:
        here.dispute(reference="INV-ALARM")
        eventually(here.service.items, "an item")
        token, here.getbill.access.token = here.getbill.access.token, "another"
        refused = mailed(here, "Getbill (main) has refused Casebell's credentials")
        still = here.service.items()
        here.getbill.access.token = token
        back = mailed(here, "Getbill (main) works again")

    assert refused.message["to"] == back.message["to"] == "ops@creditor.example"
    assert refused.message["auto-submitted"] == "auto-generated"
    assert [item["state"] for item in still] == ["open"] * len(still)


def test_slack_that_refuses_our_token_is_told_by_mail(tmp_path: Path) -> None:
    with world(tmp_path) as here:
        here.slack.bot_token = "another"
        here.dispute(reference="INV-ALARM")
        mailed(here, "Slack has accepted no message from Casebell")
        here.slack.bot_token = "xoxb-sandbox"
        mailed(here, "Slack works again")


def test_a_mail_server_without_the_encryption_we_insist_on_is_told_in_slack(tmp_path: Path) -> None:
    with world(tmp_path, is_started=False) as here:
        text = here.service.config.read_text().replace("smtp://", "smtp+starttls://")
        here.service.config.write_text(text.replace('["ops@creditor.example"]', '["ben@creditor.example"]'))
        here.service.start()
        here.dispute(reference="INV-ALARM")
        direct = here.slack.direct_channel("U0BEN")["id"]
        told = eventually(lambda: here.posts(direct), "a direct message")

    assert here.mail.messages == []
    assert "SMTP has accepted no message from Casebell" in told[0].text
