"""The embedded broker as a program: `python -m broker.embedded --help`.

Takes its listening socket from whoever started it if LISTEN_FDS and LISTEN_PID say so (systemd's protocol), so that a
restart refuses no connection. Ends on SIGTERM and SIGINT with 0; a kill at any moment loses nothing acknowledged.
`--disturb` has it deliver twice, late and again on purpose, see disturbance.
"""

import argparse
import asyncio
import importlib.util
import logging
import os
import resource
import signal
import socket
import sqlite3
import sys
from collections.abc import Callable
from pathlib import Path

from broker.embedded.disturbance import Disturbance, disturbed, read_disturbance
from broker.embedded.door import Doors
from broker.embedded.engine import Engine, Retention
from broker.embedded.event_log import Log
from broker.embedded.http_post import post
from broker.embedded.ingress import http_server
from broker.embedded.log_file import LogInUseError, WrongSchemaError
from broker.embedded.traces import from_environment
from broker.embedded.triggers import TriggerError, read_manifests

FIRST_PASSED_FD = 3
OPEN_FILES = 4096  # a connection for each delivery in flight; macOS starts with 256

logger = logging.getLogger("broker.embedded")


def main() -> int:
    arguments = _arguments()
    logging.basicConfig(level=os.environ.get("LOG_LEVEL", "INFO").upper(), format="%(levelname)s %(name)s %(message)s")
    try:
        manifests = read_manifests(arguments.triggers, dict(arguments.service))
        log = Log(arguments.data, arguments.partitions, arguments.max_bytes)
    except (TriggerError, LogInUseError, WrongSchemaError) as error:
        sys.stderr.write(f"{error}\n")
        return 2
    except (sqlite3.DatabaseError, OSError) as error:  # a folder in its place, another program's file, a full disk
        sys.stderr.write(f"{arguments.data} cannot be opened: {error}\n")
        return 2
    _allow_open_files()
    retention = Retention(int(arguments.retention_seconds * 1000), arguments.retention_events, arguments.retention_kept)
    delivering = disturbed(post, arguments.disturb) if arguments.disturb else post
    listener = _passed_socket() or socket.create_server((arguments.host, arguments.port), backlog=512)
    engine = Engine(manifests, log, delivering, retention, from_environment())
    with asyncio.Runner(loop_factory=_loop_factory()) as runner:
        runner.run(_serve(engine, log, listener, arguments.stop_at_end_of_input))
    return 0


def _loop_factory() -> Callable[[], asyncio.AbstractEventLoop] | None:
    """uvloop where it is installed: a tenth less CPU than the loop of the standard library."""
    if importlib.util.find_spec("uvloop") is None:
        return None
    import uvloop  # noqa: PLC0415 - there is none for every machine

    return uvloop.new_event_loop


async def _serve(engine: Engine, log: Log, listener: socket.socket, stop_at_end_of_input: bool) -> None:
    loop = asyncio.get_running_loop()
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    if stop_at_end_of_input:
        loop.add_reader(sys.stdin.fileno(), _end_of_input, loop, stop)
    handlers = Doors(engine, http_server(engine))
    server = await loop.create_server(handlers, sock=listener, backlog=512)
    engine.start()
    logger.info("listening on %s:%d", *listener.getsockname()[:2])
    await stop.wait()
    server.close()
    engine.feed.leave()
    await handlers.shutdown(timeout=1.0)
    await engine.stop()
    log.close()


def _end_of_input(loop: asyncio.AbstractEventLoop, stop: asyncio.Event) -> None:
    loop.remove_reader(sys.stdin.fileno())
    stop.set()


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m broker.embedded", description="A durable broker for Knative Triggers."
    )
    add = parser.add_argument
    add("--triggers", type=Path, action="append", required=True, help="manifest file or folder; may be repeated")
    add(
        "--service",
        type=_service,
        action="append",
        default=[],
        metavar="NAME=URL",
        help="where a Service is, see http_post",
    )
    add("--data", type=Path, required=True, help="database file")
    add("--host", default="127.0.0.1")
    add("--port", type=int, default=8086)
    add("--partitions", type=int, default=10, help="as default.topic.partitions of the cluster's broker")
    add("--retention-seconds", type=float, default=3600.0, help="how long finished events stay")
    add("--retention-events", type=int, default=100_000, help="how many finished events stay at most")
    add("--retention-kept", type=int, default=10_000, help="how many events that nobody took are kept at most")
    add("--max-bytes", type=int, default=None, help="bound of the database file; a full one answers 503")
    add("--disturb", type=_disturbance, metavar="SPEC", help="for tests: seed=7,twice=0.1,late=0.1,lost=0.05,latest=5")
    add(
        "--stop-at-end-of-input",
        action="store_true",
        help="stop when standard input, a pipe, is closed: the process at its other end is gone, however it ended",
    )
    return parser.parse_args()


def _service(text: str) -> tuple[str, str]:
    name, separator, url = text.partition("=")
    if not separator or not url.startswith("http://"):
        raise argparse.ArgumentTypeError(f"{text!r} is not NAME=http://...")
    return name, url


def _disturbance(text: str) -> Disturbance:
    try:
        return read_disturbance(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from error


def _passed_socket() -> socket.socket | None:
    if os.environ.get("LISTEN_PID") != str(os.getpid()) or os.environ.get("LISTEN_FDS") != "1":
        return None
    return socket.socket(fileno=FIRST_PASSED_FD)


def _allow_open_files() -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = OPEN_FILES if hard == resource.RLIM_INFINITY else min(OPEN_FILES, hard)
    if soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


if __name__ == "__main__":
    sys.exit(main())
