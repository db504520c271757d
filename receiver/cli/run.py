"""``casebell serve``, ``demo`` and ``sandbox``: the commands that run until they are stopped."""

import asyncio
import logging
import os
import sys
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click
import uvloop

from receiver.cli.options import with_config
from receiver.errors import ConfigError

if TYPE_CHECKING:
    from casebell_sandbox.server import Sandbox
    from receiver.settings import Settings

DNS_THREADS = "16"  # libuv has 4: the slow lookups of one system could block those of all others
PORT = click.IntRange(0, 65535)


@click.command("serve")
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option("--port", default=8080, type=PORT, show_default=True, help="Port to listen on.")
@with_config
def serve_command(config: Path, host: str, port: int) -> None:
    """Run the service: webhooks, reconciliation, deliveries and web pages in one process."""
    from receiver import observability
    from receiver.settings import load

    settings = load(config)
    as_json = {"json": True, "console": False}.get(settings.log_format)
    observability.configure_logs(level=settings.log_level, as_json=as_json, secrets=settings.secrets())
    for sentence in settings.warnings:
        observability.log.warning("settings.warning", about=sentence)
    os.environ.setdefault("UV_THREADPOOL_SIZE", DNS_THREADS)
    uvloop.run(_serve_and_exit(settings, host, port))


async def _serve_and_exit(settings: "Settings", host: str, port: int) -> None:
    """Serve, then exit without waiting for a DNS lookup that is still running.

    Nothing can interrupt the system's resolver. Everything is written and closed when ``serve`` returns.
    """
    from receiver.app import serve

    await serve(settings, host, port)
    logging.shutdown()
    sys.stdout.flush()
    os._exit(0)


@click.command("demo")
@click.option(
    "--port",
    default=8080,
    type=PORT,
    show_default=True,
    help="Port of the service; the sandbox has this port plus 10.",
)
@with_config
def demo_command(config: Path, port: int) -> None:
    """Run the service with the built-in sandbox; needs no credentials and no configuration."""
    del config  # the demo writes its own
    _import_sandbox()
    with tempfile.TemporaryDirectory(prefix="casebell-demo-") as folder:
        uvloop.run(_demo(Path(folder), port))


@click.command("sandbox")
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option("--port", default=8090, show_default=True, help="Port of the page; SMTP is on the next port.")
@click.option("--casebell", default="http://127.0.0.1:8080", show_default=True, help="Where the service listens.")
@with_config
def sandbox_command(config: Path, host: str, port: int, casebell: str) -> None:
    """Run only the sandbox: stand-ins for Getbill, Debitura, Slack and a mail server, and their page."""
    del config  # the sandbox has none
    sandbox = _import_sandbox()
    click.echo(f"The sandbox is at http://{host}:{port}/ and catches mail on port {port + 1}")
    uvloop.run(sandbox(casebell_url=casebell).serve(host, port, smtp_port=port + 1))


def _import_sandbox() -> "type[Sandbox]":
    """The sandbox's class. Raises ConfigError if the extra ``demo`` is not installed."""
    try:
        from casebell_sandbox.server import Sandbox
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] != "aiosmtpd":
            raise
        raise ConfigError("the sandbox needs aiosmtpd: pip install 'casebell[demo]'") from None
    return Sandbox


async def _demo(folder: Path, port: int) -> None:
    from casebell_sandbox.demo import write_configuration
    from receiver import observability
    from receiver.app import serve
    from receiver.settings import load

    url, page_port, log = f"http://127.0.0.1:{port}", port + 10, folder / "casebell.log"
    page = f"http://127.0.0.1:{page_port}"
    config = write_configuration(folder, public_url=url, sandbox_url=page, smtp_port=page_port + 1, is_demo=True)
    settings = load(config)
    with log.open("w") as stream:
        observability.configure_logs(level=settings.log_level, secrets=settings.secrets(), stream=stream)
        async with _run_sandbox(url, page_port):
            click.echo(f"Open {page}/ in a browser: click a button there and watch the alert arrive.")
            click.echo(f"Commands on this demo take --config {config}; its log is {log}")
            await serve(settings, "127.0.0.1", port)


@asynccontextmanager
async def _run_sandbox(casebell_url: str, port: int) -> AsyncIterator[None]:
    """The demo's sandbox, ready when the block begins. Raises ConfigError when its port is taken."""
    sandbox, ready = _import_sandbox()(casebell_url), asyncio.Event()
    sandbox.slack.scopes += ",links:read,links:write"  # previews of links need these scopes
    serving = asyncio.create_task(
        sandbox.serve("127.0.0.1", port, smtp_port=port + 1, on_ready=lambda _url: ready.set())
    )
    waiting = asyncio.create_task(ready.wait())
    try:
        await asyncio.wait({serving, waiting}, return_when=asyncio.FIRST_COMPLETED)
        if serving.done() and isinstance(error := serving.exception(), OSError):
            raise ConfigError(f"the demo's sandbox needs ports {port} and {port + 1}: {error}; take others with --port")
        yield
    finally:
        serving.cancel()
        waiting.cancel()
        await asyncio.gather(serving, waiting, return_exceptions=True)
