"""Links to recordings, proofs and documents, and the hosts a person's browser may be sent to (getbill.md, Todos).

Pure. The links come from Getbill's answers, which quote strangers: a link to anywhere else is not passed on.
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
    """The link as Getbill gives it, not checked."""
    match medium.what:
        case "recording":
            return todo.audio_url
        case "document":
            return todo.pdf_url
        case "proof":
            return proofs(todo).get(medium.name)


class Hosts:
    """Where a link may lead: the API's own host, ``allowed`` ones and all below them, over https."""

    def __init__(self, base_url: str, allowed: Collection[str] = ()) -> None:
        own = urlsplit(base_url)
        self._is_local = own.scheme == "http" and own.hostname in LOCAL
        self._allowed = {host.lower().strip(".") for host in (own.hostname or "", *(allowed or DEFAULT_HOSTS)) if host}

    def checked(self, url: str | None) -> str:
        """``url`` itself. Raises PermanentError: media_gone when there is none, host_not_allowed."""
        if url is None:
            raise PermanentError("media_gone", "Getbill does not offer this file any more")
        host = self._host(url)
        if not any(host == allowed or host.endswith(f".{allowed}") for allowed in self._allowed):
            raise PermanentError("host_not_allowed", f"{host or 'the host of this file'} is not in media_hosts")
        return url

    def _host(self, url: str) -> str:
        """The host of a link we may pass on; empty when we may not."""
        try:
            parts = urlsplit(url)
            host = (parts.hostname or "").rstrip(".")
            is_safe = parts.scheme == "https" or (self._is_local and parts.scheme == "http" and host in LOCAL)
        except ValueError:
            return ""
        return host if is_safe and is_plain(url) and "@" not in parts.netloc else ""
