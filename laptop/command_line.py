"""What is typed after `python -m laptop`: run or status, with their options."""

import argparse
import json
import os
import re
import shlex
import sys
from dataclasses import replace
from functools import partial
from pathlib import Path

from laptop import jaeger
from laptop.errors import LaptopError
from laptop.manifests import seconds
from laptop.options import Options, is_traced, of_system
from laptop.systems import ROOT

_LARGEST_PORT = 65_535
_STANDARD_ERROR = 2


def main(arguments: list[str]) -> int:
    """The exit code: 0, or 1 after one line that says why."""
    _open_standard_streams()
    try:
        options = _parser().parse_args(arguments)
        options.data = options.data or _system(options).data
        if options.command == "status":
            _status(options)
        else:
            _run(options)
    except BrokenPipeError:  # `... status | head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except LaptopError as error:
        print(f"laptop: {error}", file=sys.stderr)
        return 1
    except OSError as error:  # a full disk, a folder of somebody else
        print(f"laptop: {error} (data in {options.data})", file=sys.stderr)
        return 1
    return 0


def _open_standard_streams() -> None:
    """`... <&- >&- 2>&-`: a lock or a socket must not get a number that children know as a standard stream."""
    while (descriptor := os.open(os.devnull, os.O_RDWR)) <= _STANDARD_ERROR:
        pass
    os.close(descriptor)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m laptop", description="The system of the manifests, on one machine."
    )
    commands = parser.add_subparsers(dest="command", required=True)
    run = commands.add_parser("run", help="start everything and keep it running until Ctrl-C")
    run.add_argument("--manifests", type=Path, action="append", help="file or folder; can be given several times")
    run.add_argument("--also", type=Path, action="append", default=[], help="manifests in addition to those")
    run.add_argument("--functions", type=Path, help="the folder of the source folders")
    run.add_argument("--free-ports", action="store_true", help="ignore the ports that the manifests name")
    run.add_argument("--port", type=_port, action="append", default=[], metavar="NAME=PORT")
    run.add_argument("--window", type=seconds, help="stable window of all Services, for instance 6s")
    run.add_argument("--set", type=_setting, action="append", default=[], metavar="NAME=VALUE", help="of functions")
    run.add_argument("--python", default=sys.executable, help="the interpreter of functions and broker")
    run.add_argument("--no-fork", action="store_true", help="each function imports everything, as in its container")
    run.add_argument("--disturb", type=_disturbance, metavar="SPEC", help="see broker/embedded/disturbance.py")
    run.add_argument("--traces", action="store_true", help="to OTEL_EXPORTER_OTLP_ENDPOINT or a Jaeger here")
    run.add_argument("--broker-bytes", type=int, metavar="N", help="bound of the broker's database; a full one refuses")
    status = commands.add_parser("status", help="show each function, awake or asleep")
    status.add_argument("--json", action="store_true")
    for command in (run, status):
        command.add_argument(
            "--system",
            type=partial(_folder, "--system"),
            help="a folder with another system: manifests/ and functions/, or a system.toml that says where they are",
        )
        command.add_argument(
            "--data", type=partial(_folder, "--data"), help="where the data are kept; default: what system.toml says"
        )
    return parser


def _port(text: str) -> tuple[str, int]:
    found = re.fullmatch(r"([^=]+)=([0-9]{1,5})", text)
    if not found or int(found[2]) > _LARGEST_PORT:
        raise LaptopError(
            f"--port {text}: not NAME=PORT with a port up to {_LARGEST_PORT} (0: a free one), as in --port gateway=9000"
        )
    return found[1], int(found[2])


def _setting(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not name or not equals:
        raise LaptopError(f"--set {text}: not NAME=VALUE, as in --set LOG_LEVEL=DEBUG")
    return name, value


def _ports(given: list[tuple[str, int]]) -> dict[str, int]:
    names = [name for name, _ in given]
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise LaptopError(f"--port names {', '.join(twice)} more than once")
    return dict(given)


def _folder(option: str, text: str) -> Path:
    """Raises LaptopError for an empty name, which would be the current folder."""
    if not text:
        raise LaptopError(f"{option} names no folder")
    return Path(text)


def _system(options: argparse.Namespace) -> Options:
    """The defaults of all options: those of this checkout's system, or of the folder that --system names."""
    return of_system(options.system.resolve() if options.system else ROOT)


def _disturbance(spec: str) -> str:
    """Looked at here as well, or a mistake in it would show only as a broker that does not start."""
    from broker.embedded.disturbance import read_disturbance  # noqa: PLC0415 - only needed here

    try:
        read_disturbance(spec)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from error
    return spec


def _run(options: argparse.Namespace) -> None:
    from laptop.supervisor import run  # noqa: PLC0415 - `status` starts faster without it

    system = _system(options)
    telemetry = {name: value for name, value in os.environ.items() if name.startswith("OTEL_")}
    found = jaeger.found(free_ports=options.free_ports) if options.traces and not is_traced(telemetry) else None
    data = options.data.resolve()
    run(
        replace(
            system,
            status=system.status + ("" if data == system.data else _with_data(data)),
            manifests=tuple(path.resolve() for path in (*(options.manifests or system.manifests), *options.also)),
            data=data,
            functions=(options.functions or system.functions).resolve(),
            ports=_ports(options.port),
            free_ports=options.free_ports,
            window=options.window,
            settings=dict(options.set),
            python=options.python,
            fork=not options.no_fork,
            disturb=options.disturb,
            broker_bytes=options.broker_bytes,
            telemetry={**telemetry, **(found.telemetry if found else {})},
            jaeger=found,
        )
    )


def _with_data(folder: Path) -> str:
    """What makes `make status` look into another folder, as a person pastes it into a shell."""
    argument = f"--data {shlex.quote(str(folder))}"
    return f" ARGS={shlex.quote(argument.replace('$', '$$'))}"


def _status(options: argparse.Namespace) -> None:
    from laptop.status import collect, table  # noqa: PLC0415

    state = collect(options.data.resolve())
    print(json.dumps(state, indent=1) if options.json else table(state, _system(options).kept))
