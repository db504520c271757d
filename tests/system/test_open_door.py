"""Connections to the real process: clear errors at start, and slow clients do not keep webhooks out."""

import json
import resource
import socket
from contextlib import ExitStack

import httpx
import pytest

from tests.harness import World, free_port

MANY = 600


@pytest.fixture(scope="session")
def here(quiet: World) -> World:
    return quiet


def body(event: str) -> bytes:
    return json.dumps({"id": event, "type": "debt.updated", "data": {"debt_id": "enc_1"}}).encode()


def port_of(here: World) -> int:
    return int(here.service.url.rpartition(":")[2])


def test_a_port_in_use_is_one_clear_line_and_the_database_is_left_alone(here: World) -> None:
    port = port_of(here)

    refused = here.service.command("serve", "--port", str(port))

    lines = [line for line in refused.stderr.splitlines() if not line.startswith("{")]
    assert refused.returncode == 2
    cure = "is in use; stop the other process or take another with --port"
    assert lines == [f"port {port} on 127.0.0.1 {cure}"]
    assert "Exception" not in refused.stderr


@pytest.mark.parametrize("host", ["no-such-host.invalid", "192.0.2.1"])
def test_an_address_of_another_machine_is_one_clear_line(here: World, host: str) -> None:
    refused = here.service.command("serve", "--host", host, "--port", str(free_port()))

    assert refused.returncode == 2
    assert host in refused.stderr
    assert "Traceback" not in refused.stderr


def test_many_who_drip_keep_no_webhook_from_being_stored(here: World) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(max(soft, MANY * 2), hard), hard))
    with ExitStack() as stack:
        drippers = [stack.enter_context(socket.create_connection(("127.0.0.1", port_of(here)))) for _ in range(MANY)]
        statuses = []
        for n in range(20):
            for dripper in drippers:
                dripper.sendall(b"POST /webhooks/getbill/main HTTP/1.1\r\nX: y"[n : n + 1])
            statuses.append(here.getbill_event(body(f"beside-{n}")).status_code)

    assert statuses == [202] * 20


def test_a_compressed_body_is_415_and_nothing_is_stored(here: World) -> None:
    content = body("compressed")

    encoded = here.getbill_event(content, **{"content-encoding": "gzip"})
    plain = here.getbill_event(content, **{"content-encoding": "identity"})

    assert (encoded.status_code, plain.status_code) == (415, 202)


@pytest.mark.parametrize("method", ["HEAD", "OPTIONS", "PUT", "DELETE", "PATCH"])
def test_another_method_is_405_and_says_which_is_right(here: World, method: str) -> None:
    answer = httpx.request(method, f"{here.service.url}/webhooks/getbill/main", trust_env=False)

    assert (answer.status_code, answer.headers["allow"]) == (405, "POST")


def test_refusals_are_counted(here: World) -> None:
    with socket.create_connection(("127.0.0.1", port_of(here))) as stranger:
        stranger.sendall(b"\x16\x03\x01 hello\r\n\r\n")
        assert stranger.recv(100).startswith(b"HTTP/1.1 400")

    page = httpx.get(f"{here.service.url}/metrics", trust_env=False).text
    assert 'casebell_connections_refused_total{reason="not_http"}' in page
    assert "Traceback" not in here.service.log.read_text()
