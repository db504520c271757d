"""Links to recordings, proofs and documents, and the hosts to which a browser may be redirected. Pure.

The links come from Getbill's answers, which contain third-party text: a link to another host is rejected.
docs/vendors/getbill.md#todos
"""

from collections.abc import Collection
from urllib.parse import urlsplit

from receiver.domain.item import Medium
from receiver.errors import PermanentError
from receiver.upstream.getbill import wire
from receiver.upstream.getbill.translate import is_plain, proofs

DEFAULT_HOSTS = ("amazonaws.com",)
LOCAL = frozenset({"127.0.0.1", "localhost"})


def link_of(todo: wire.Todo, medium: Medium) -> str | None:
    """Return Getbill's link, unchecked."""
    match medium.what:
        case "recording":
            return todo.audio_url
        case "document":
            return todo.pdf_url
        case "proof":
            return proofs(todo).get(medium.name)


class Hosts:
    """The allowed hosts: the API's own, ``allowed`` and their subdomains, over https."""

    def __init__(self, base_url: str, allowed: Collection[str] = ()) -> None:
        own = urlsplit(base_url)
        self._is_local = own.scheme == "http" and own.hostname in LOCAL
        self._allowed = {host.lower().strip(".") for host in (own.hostname or "", *(allowed or DEFAULT_HOSTS)) if host}

    def check(self, url: str | None) -> str:
        """Return ``url``. Raises PermanentError: media_gone when there is none, host_not_allowed."""
        if url is None:
            raise PermanentError("media_gone", "Getbill does not offer this file any more")
        host = self._safe_host(url)
        if not any(host == allowed or host.endswith(f".{allowed}") for allowed in self._allowed):
            raise PermanentError("host_not_allowed", f"{host or 'the host of this file'} is not in media_hosts")
        return url

    def _safe_host(self, url: str) -> str:
        """Return the host of a safe link; empty for any other."""
        try:
            parts = urlsplit(url)
            host = (parts.hostname or "").rstrip(".")
            is_safe = parts.scheme == "https" or (self._is_local and parts.scheme == "http" and host in LOCAL)
        except ValueError:
            return ""
        return host if is_safe and is_plain(url) and "@" not in parts.netloc else ""
