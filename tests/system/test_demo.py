"""``casebell demo``: its terminal says where to look and nothing else, and many alerts at once are one message."""

import signal
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from casebell_sandbox.server import SandboxThread
from casebell_sandbox.slack_view import MAX_REPLIES
from tests.forked import Forked
from tests.harness import HTTP, PATIENCE_S, eventually, free_port

MANY = 30
RING = 10  # of a burst of the demo's route
FORM = {"accept": "text/html", "content-type": "application/x-www-form-urlencoded"}


def state(page: str) -> Any:
    return HTTP.get(f"{page}/state").json()


def test_the_demo_says_where_to_look_and_makes_one_message_of_a_burst(tmp_path: Path) -> None:
    port, out, err = free_port(), tmp_path / "out", tmp_path / "err"
    url, page = f"http://127.0.0.1:{port}", f"http://127.0.0.1:{port + 10}"
    demo = Forked("receiver", ["demo", "--port", str(port)], out, err)
    eventually(lambda: "listening" in out.read_text() or demo.poll() is not None, "the demo to be ready")

    pressed = HTTP.post(f"{page}/control/burst", content=f"count={MANY}", headers=FORM)
    eventually(lambda: state(page)["slack"]["channels"]["C0DISPUTES"] == MANY + 1, "every alert, and one message more")
    threads = [message.get("thread_ts") for message in state(page)["slack"]["messages"]]
    demo.send_signal(signal.SIGINT)

    assert demo.wait(PATIENCE_S) == 0
    assert pressed.status_code == 303
    assert (threads.count(None), len(set(threads))) == (RING + 1, 2)
    assert err.read_text() == ""
    first, second, third = out.read_text().splitlines()
    assert first == f"Open {page}/ in a browser: click a button there and watch the alert arrive."
    assert second.startswith("Commands on this demo take --config /")
    assert "casebell.log" in second
    assert third == f"casebell is listening on {url}"


def test_a_demo_whose_page_has_no_port_says_so_on_one_line(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", free_port())) as taken:
        port = taken.getsockname()[1] - 10
        out, err = tmp_path / "out", tmp_path / "err"

        assert Forked("receiver", ["demo", "--port", str(port)], out, err).wait(PATIENCE_S) == 2

    (said,) = err.read_text().splitlines()
    assert said.startswith(f"the demo's sandbox needs ports {port + 10} and {port + 11}: ")
    assert said.endswith("take others with --port")
    assert out.read_text() == ""


@pytest.mark.parametrize("command", ["demo", "sandbox"])
def test_without_its_extra_the_sandbox_says_what_to_install(command: str) -> None:
    done = without_aiosmtpd(command)

    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == "the sandbox needs aiosmtpd: pip install 'casebell[demo]'\n"


def test_previews_need_no_extra() -> None:
    assert without_aiosmtpd("preview", "slack").returncode == 0


def without_aiosmtpd(*words: str) -> subprocess.CompletedProcess[str]:
    """``casebell WORDS`` in an installation without the extra ``demo``."""
    code = "import sys; sys.modules['aiosmtpd'] = None; from receiver.__main__ import main; main()"
    command = [sys.executable, "-c", code, *words]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=PATIENCE_S)


def test_the_page_answers_while_a_burst_is_under_way_and_says_how_far_it_is() -> None:
    with socket.create_server(("127.0.0.1", 0)) as never_answers:
        url = f"http://127.0.0.1:{never_answers.getsockname()[1]}"
        with SandboxThread(casebell_url=url) as stand_ins:
            pressed = HTTP.post(f"{stand_ins.url}/control/burst", content="count=3", headers=FORM)
            shown = HTTP.get(stand_ins.url).text

    assert (pressed.status_code, pressed.headers["location"]) == (303, "../")
    assert "0 of 3 disputes are sent" in shown


def test_of_a_long_thread_the_page_draws_the_newest_replies_and_counts_all() -> None:
    with SandboxThread() as stand_ins:
        url = f"{stand_ins.url}/slack/api/chat.postMessage"
        token = {"authorization": f"Bearer {stand_ins.sandbox.slack.bot_token}"}
        root = HTTP.post(url, json={"channel": "C0DISPUTES", "text": "Many alerts"}, headers=token).json()["ts"]
        for n in range(MAX_REPLIES + 2):
            reply = {"channel": "C0DISPUTES", "text": f"Alert {n} of them", "thread_ts": root}
            HTTP.post(url, json=reply, headers=token)
        shown = HTTP.get(f"{stand_ins.url}/slack/?channel=C0DISPUTES").text

    assert f"{MAX_REPLIES + 2} replies, the newest {MAX_REPLIES} are drawn" in shown
    assert [f"Alert {n} of them" in shown for n in (0, 1, 2)] == [False, False, True]
    assert '<span class="count">1</span>' in shown  # a reply is no message of the channel
