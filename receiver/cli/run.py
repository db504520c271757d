"""``casebell serve``, ``demo`` and ``sandbox``: the commands that keep running."""

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

NAMES_AT_ONCE = "16"  # threads that look up names; of four, as libuv has it, one system's bad DNS would take all


@click.command("serve")
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option("--port", default=8080, show_default=True, help="Port to listen on.")
@with_config
def serve_command(config: Path, host: str, port: int) -> None:
    """Run the service: receiver, reconciler, dispatcher and pages, in one process."""
    from receiver import observability
    from receiver.settings import load

    settings = load(config)
    as_json = {"json": True, "console": False}.get(settings.log_format)
    observability.set_up(level=settings.log_level, as_json=as_json, secrets=settings.secrets())
    for sentence in settings.warnings:
        observability.log.warning("settings.warning", about=sentence)
    os.environ.setdefault("UV_THREADPOOL_SIZE", NAMES_AT_ONCE)
    uvloop.run(_serve_and_leave(settings, host, port))


async def _serve_and_leave(settings: "Settings", host: str, port: int) -> None:
    """Everything is written and closed when ``serve`` returns; a name that is still being looked up is not waited for.

    Nothing can interrupt the system's resolver, and an orderly end would last as long as it does.
    """
    from receiver.app import serve

    await serve(settings, host, port)
    logging.shutdown()
    sys.stdout.flush()
    os._exit(0)


@click.command("demo")
@click.option("--port", default=8080, show_default=True, help="Port of the service; the sandbox's is ten above.")
@with_config
def demo_command(config: Path, port: int) -> None:
    """Run the service against the built-in sandbox: no credentials, nothing to set up."""
    del config  # a demo writes its own
    _import_sandbox()
    with tempfile.TemporaryDirectory(prefix="casebell-demo-") as folder:
        uvloop.run(_demo(Path(folder), port))


@click.command("sandbox")
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option("--port", default=8090, show_default=True, help="Port of the page; mail is caught one port above.")
@click.option("--casebell", default="http://127.0.0.1:8080", show_default=True, help="Where the service listens.")
@with_config
def sandbox_command(config: Path, host: str, port: int, casebell: str) -> None:
    """Run only the stand-ins for Getbill, Debitura, Slack and a mailbox, with the page that drives them."""
    del config  # the stand-ins have no configuration
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
        observability.set_up(level=settings.log_level, secrets=settings.secrets(), stream=stream)
        async with _stand_ins(url, page_port):
            click.echo(f"Open {page}/ in a browser: press a button there and watch it ring.")
            click.echo(f"Commands on this demo take --config {config}; its log is {log}")
            await serve(settings, "127.0.0.1", port)


@asynccontextmanager
async def _stand_ins(casebell_url: str, port: int) -> AsyncIterator[None]:
    """The demo's sandbox, which answers before anything asks it. Raises ConfigError when its port is taken."""
    sandbox, ready = _import_sandbox()(casebell_url), asyncio.Event()
    sandbox.slack.scopes += ",links:read,links:write"  # of the optional places, the one that asks for more scopes
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
