"""An HTTP server of a test: a handler on a free port, of 127.0.0.1 unless pods must reach it, ended with the test."""

from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer, ThreadingHTTPServer
from threading import Thread


class Quiet:
    """A handler that logs nothing: goes before BaseHTTPRequestHandler."""

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name is BaseHTTPRequestHandler's
        """Tests have their own words."""


@contextmanager
def listening(handler: type[BaseHTTPRequestHandler], address: str = "127.0.0.1") -> Iterator[str]:
    """Its base URL, without a slash at the end."""
    with serving(ThreadingHTTPServer((address, 0), handler)) as url:
        yield url


@contextmanager
def serving(server: HTTPServer) -> Iterator[str]:
    """The same of a server that was made elsewhere. It is closed at the end."""
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield f"http://{server.server_address[0]!s}:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
