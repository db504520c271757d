"""Recordings and files of Getbill's stand-in: links signed like S3's that expire, and their contents."""

import hmac
import io
import math
import struct
import wave
from datetime import UTC, datetime, timedelta
from urllib.parse import quote, urlencode

from starlette.requests import Request
from starlette.responses import Response

STAMP = "%Y%m%dT%H%M%SZ"
RATE = 8000
DENIED = '<?xml version="1.0" encoding="UTF-8"?>\n<Error><Code>AccessDenied</Code><Message>{}</Message></Error>'


def link(base_url: str, name: str, key: bytes, now: datetime, ttl_s: float) -> str:
    """A link to ``name`` that works for ``ttl_s`` seconds from ``now``."""
    stamp, ends = now.strftime(STAMP), str(int(ttl_s))
    query = {"X-Amz-Date": stamp, "X-Amz-Expires": ends, "X-Amz-Signature": _signature(key, name, stamp, ends)}
    return f"{base_url}/media/{quote(name)}?{urlencode(query)}"


def serve(request: Request, key: bytes, now: datetime) -> Response:
    """The file of the link, or S3's 403 in XML if the link has expired or its signature is wrong."""
    name = request.path_params["name"]
    stamp, ends = (request.query_params.get(part, "") for part in ("X-Amz-Date", "X-Amz-Expires"))
    given = request.query_params.get("X-Amz-Signature", "")
    if not hmac.compare_digest(given.encode(), _signature(key, name, stamp, ends).encode()):
        return _deny("Signature does not match")
    if now >= datetime.strptime(stamp, STAMP).replace(tzinfo=UTC) + timedelta(seconds=int(ends)):
        return _deny("Request has expired")
    if name.endswith(".wav"):
        return Response(_make_tone(), media_type="audio/wav")
    return Response(_page(), media_type="application/pdf")


def _signature(key: bytes, *parts: str) -> str:
    return hmac.new(key, "\n".join(parts).encode(), "sha256").hexdigest()


def _deny(why: str) -> Response:
    return Response(DENIED.format(why), 403, media_type="application/xml")


def _make_tone(seconds: int = 1, hertz: int = 440) -> bytes:
    """A quiet tone as a WAV file, so that a person hears that the link works."""
    swing = (int(6000 * math.sin(2 * math.pi * hertz * step / RATE)) for step in range(RATE * seconds))
    out = io.BytesIO()
    with wave.open(out, "wb") as sound:
        sound.setnchannels(1)
        sound.setsampwidth(2)
        sound.setframerate(RATE)
        sound.writeframes(b"".join(struct.pack("<h", value) for value in swing))
    return out.getvalue()


def _page() -> bytes:
    """A minimal PDF with one line of text."""
    text = b"BT /F1 24 Tf 72 760 Td (Receipt: paid in full) Tj ET"
    objects = [
        b"<</Type/Catalog/Pages 2 0 R>>",
        b"<</Type/Pages/Kids[3 0 R]/Count 1>>",
        b"<</Type/Page/Parent 2 0 R/MediaBox[0 0 595 842]/Contents 4 0 R/Resources<</Font<</F1 5 0 R>>>>>>",
        b"<</Length %d>>\nstream\n%s\nendstream" % (len(text), text),
        b"<</Type/Font/Subtype/Type1/BaseFont/Helvetica>>",
    ]
    out, offsets = b"%PDF-1.4\n", []
    for number, content in enumerate(objects, 1):
        offsets.append(len(out))
        out += b"%d 0 obj\n%s\nendobj\n" % (number, content)
    table = b"".join(b"%010d 00000 n \n" % offset for offset in offsets)
    end = b"trailer\n<</Size 6/Root 1 0 R>>\nstartxref\n%d\n%%%%EOF\n" % len(out)
    return out + b"xref\n0 6\n0000000000 65535 f \n" + table + end
