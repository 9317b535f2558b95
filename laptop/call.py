"""One HTTP request to what runs on this machine. No proxy knows its ports, so none is asked.

By the standard library and not by requests, which would cost `make status` more than the call. The broker has a client
of its own (broker/embedded/http_post.py says why), and laptop/welcome.py asks by its loop.
"""

from collections.abc import Mapping
from http.client import HTTPConnection
from urllib.parse import urlsplit


def call(
    method: str, url: str, headers: Mapping[str, str] | None = None, body: bytes | None = None, timeout: float = 5.0
) -> tuple[int, bytes]:
    """Status and body of the answer. `timeout`: seconds of silence. Raises OSError and HTTPException."""
    parts = urlsplit(url)
    connection = HTTPConnection(parts.netloc, timeout=timeout)
    try:
        connection.request(method, parts.path or "/", body, headers or {})
        answer = connection.getresponse()
        return answer.status, answer.read()
    finally:
        connection.close()
