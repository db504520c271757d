"""Webhooks as a bench sends them, and a service that only receives."""

from pathlib import Path

from casebell_sandbox.demo import write_configuration
from casebell_sandbox.getbill import GetbillStand
from tests.bench.load import post
from tests.harness import Service, free_port

REQUESTS = 6_000
BODY = b'{"id": "evt_%08d", "type": "debt.updated", "data": {"debt_id": "enc_%d", "filler": "%s"}}'


def requests(stand: GetbillStand, path: str, start: int) -> list[bytes]:
    """Signed webhooks of about 1.5 kB, each with an id of its own."""
    made = []
    for n in range(start, start + REQUESTS):
        body = BODY % (n, n, b"x" * 1_350)
        made.append(post(path, body, {**stand.sign(body), "Content-Type": "application/json"}))
    return made


def service_alone(folder: Path, database_url: str | None) -> Service:
    """A service whose sources are down, so that nothing but the receiving is measured."""
    port = free_port()
    config = write_configuration(
        folder,
        public_url=f"http://127.0.0.1:{port}",
        sandbox_url=f"http://127.0.0.1:{free_port()}",
        smtp_port=1,
        database_url=database_url,
    )
    service = Service(config, port)
    service.start(module="tests.bench.server")
    return service
