"""The live board of a cluster on 127.0.0.1: functions/board over a made-up Kubernetes API, and the page."""

import importlib
import io
import mimetypes
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from typing import TYPE_CHECKING, Any
from unittest import mock

import functions_framework
from flask import Flask
from werkzeug.serving import WSGIRequestHandler, make_server
from werkzeug.test import Client
from werkzeug.wrappers import Request, Response

from testbed.fake_kubernetes import PODS, SERVICES, TRIGGERS, FakeKubernetes, fake_kubernetes, service, trigger
from testbed.hosting import FUNCTIONS, isolated
from testbed.listening import serving
from testbed.project import ROOT

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment

WEB = ROOT / "gateway" / "web"
BOARD = FUNCTIONS / "board"


@dataclass(frozen=True)
class Board:
    """The function, and the cluster that it asks."""

    app: Flask
    cluster: FakeKubernetes

    @property
    def client(self) -> Client:
        """For calls without a server."""
        return Client(self.app)

    @property
    def watchers(self) -> int:
        """How many there are now."""
        return int(_module("board_http")._following()._watchers)


@contextmanager
def board_of_a_cluster(folder: Path, longest: float = 45.0) -> Iterator[Board]:
    """Three sleeping functions, the gateway and the board itself. The board is quick at everything.

    `longest`: seconds that a stream lasts.
    """
    board_http, following = _module("board_http"), _module("following")
    with fake_kubernetes(folder) as cluster, isolated():
        cluster.things |= {PODS: [], SERVICES: _services(), TRIGGERS: _triggers()}
        with (
            mock.patch.object(board_http, "cluster", return_value=cluster.cluster),
            mock.patch.multiple(board_http, HEARTBEAT=0.05, PAUSE=0.01, LONGEST=longest),
            mock.patch.object(following, "AGAIN_AFTER", 0.02),
            mock.patch.dict("os.environ", K_SERVICE="board"),
        ):
            board_http._following.cache_clear()
            app = functions_framework.create_app("board", str(BOARD / "main.py"), "http")  # type: ignore[no-untyped-call]
            yield Board(app, cluster)
            board_http._following.cache_clear()


@contextmanager
def served(board: Board) -> Iterator[str]:
    """The address of the page with this board behind it."""

    def answer(environ: "WSGIEnvironment", start_response: "StartResponse") -> Iterable[bytes]:
        if environ["PATH_INFO"] == "/board/feed":
            # this server would wait for a body that is not announced; gunicorn does not
            return board.app(environ | {"wsgi.input": io.BytesIO()}, start_response)
        return _file(Request(environ))(environ, start_response)

    server = make_server("127.0.0.1", 0, answer, threaded=True, request_handler=_Quiet)
    server.daemon_threads = True  # type: ignore[attr-defined]
    with serving(server) as url:
        yield url


def _module(name: str) -> Any:
    """Of the folder, as functions-framework will find it."""
    if str(BOARD) not in sys.path:
        sys.path.append(str(BOARD))
    return importlib.import_module(name)


def _file(request: Request) -> Response:
    path = WEB / ("index.html" if request.path in ("/", "/live") else request.path.removeprefix("/"))
    if not path.is_file():
        return Response(status=HTTPStatus.NOT_FOUND)
    return Response(path.read_bytes(), content_type=mimetypes.guess_type(path.name)[0])


class _Quiet(WSGIRequestHandler):
    protocol_version = "HTTP/1.1"

    def log(self, type: str, message: str, *args: object) -> None:  # noqa: A002 - its name there
        """Says nothing."""


def _services() -> list[dict[str, object]]:
    return [
        service("reserve", "reserve", least="1"),
        service("decrease-seats", "flight-seats"),
        service("project-dashboard", "dashboard-projector"),
        service("gateway", "gateway"),
        service("board", "board"),
    ]


def _triggers() -> list[dict[str, object]]:
    placed = {"attributes": {"type": "ReservationPlaced"}}
    others = [{"not": {"exact": {"type": "SagaExpected"}}}]
    return [
        trigger("decrease-seats-on-reservation-placed", "decrease-seats", filter=placed),
        trigger("project-dashboard-on-every-event", "project-dashboard", filters=others),
        trigger("board-on-every-event", "board"),
    ]
