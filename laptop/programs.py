"""The programs of a run, with their arguments and environment: functions, gateway, broker, migrations."""

import os
import sysconfig
from collections.abc import Mapping
from pathlib import Path

from laptop.addresses import Addresses
from laptop.container_environment import (
    SecretKey,
    Value,
    database_file,
    database_name,
    database_url,
    on_this_machine,
)
from laptop.jaeger import Jaeger
from laptop.manifests import Function, Gateway
from laptop.options import Options, is_traced
from laptop.process import Program
from laptop.sockets import HOST
from laptop.state import kept_folder, kept_secret
from laptop.systems import ROOT

OWN_NAMES = ("localhost", HOST)
"""What this machine is called in the addresses of what runs here."""
FORK_SERVER = "forkserver"
_ROOT_OF_ALL = Path("/")
"""Of what imports gunicorn, which cuts blanks off the name of the folder that it is imported in."""
_OF_THE_MACHINE = ("PATH", "HOME", "USER", "LANG", "LC_ALL", "LC_CTYPE", "TZ", "TMPDIR", "LD_LIBRARY_PATH")


def function_program(function: Function, options: Options, addresses: Addresses) -> Program:
    """functions-framework with the target's source, as in its image."""
    source = options.functions / function.folder / "main.py"
    here = _environment(function.environment, function.folder, options, addresses)
    revision = f"{function.name}-00001"
    identity = {"K_SERVICE": function.name, "K_CONFIGURATION": function.name, "K_REVISION": revision}
    port = {"PORT": str(addresses.port(function.name))}
    sink = {"K_SINK": addresses.of_sink(function.sink), "K_CE_OVERRIDES": function.overrides} if function.sink else {}
    telemetry = _telemetry(function.name, options)
    return Program(
        name=function.name,
        arguments=(
            options.python,
            "-m",
            "functions_framework",
            "--source",
            str(source),
            "--target",
            function.target,
        ),
        environment=_python_environment() | here | _own_names(here) | identity | port | sink | telemetry,
        output=options.logs / f"{function.name}.log",
        databases=[
            database_file(name, function.folder, options.data) for name in here if name.endswith("DATABASE_URL")
        ],
        folder=_ROOT_OF_ALL,
    )


def gateway_program(gateway: Gateway, options: Options, addresses: Addresses) -> Program:
    """Caddy with the Caddyfile of the cluster; it takes the held socket by its descriptor."""
    home = str(options.data / "caddy")
    here = _environment(gateway.environment, gateway.name, options, addresses)
    port = addresses.port(gateway.name)
    own_pages = [f"http://{name}:{port}" for name in OWN_NAMES]
    laptop = {
        "PORT": str(port),
        "LISTEN": "fd/3",
        "GOMAXPROCS": "1",  # a request takes it half a millisecond: threads that wake each other took a fifth more
        "BROKER_URL": addresses.broker or "",
        "BOARD_URL": addresses.board or "",
        # named from its own folder: in a Caddyfile, a blank or a brace in a path would mean something
        "WEB_ROOT": "web",
        "XDG_DATA_HOME": home,
        "XDG_CONFIG_HOME": home,
        "ALLOWED_ORIGINS": " ".join([*own_pages, *here.get("ALLOWED_ORIGINS", "").split()]),
        **_telemetry(gateway.name, options),
        **({"TRACES": "traced"} if is_traced(options.telemetry) else {}),
    }
    return Program(
        name=gateway.name,
        arguments=(_caddy(), "run", "--config", "Caddyfile", "--adapter", "caddyfile"),
        environment=_machine_environment() | here | _own_names(here) | laptop,
        output=options.logs / f"{gateway.name}.log",
        folder=ROOT / "gateway",
        explained_by=(_caddy(), "validate", "--config", "Caddyfile", "--adapter", "caddyfile"),
    )


def broker_program(options: Options, addresses: Addresses, short_ways: Mapping[str, Path]) -> Program:
    """The embedded broker with the Triggers that were written for it and the addresses of all Services.

    `short_ways`: by function, the Unix socket that it has while it is awake (choreography/short_way.py).
    """
    triggers = ("--triggers", str(options.triggers))
    where = addresses.services | {name: f"{addresses.services[name]}#{path}" for name, path in short_ways.items()}
    services = [word for name, url in where.items() for word in ("--service", f"{name}={url}")]
    database = options.data / "broker.db"
    data = ("--data", str(database))
    disturb = ("--disturb", options.disturb) if options.disturb else ()
    bound = ("--max-bytes", str(options.broker_bytes)) if options.broker_bytes else ()
    return Program(
        name="broker",
        arguments=(options.python, "-m", "broker.embedded", *triggers, *services, *data, *disturb, *bound),
        environment=_python_environment() | _telemetry("broker", options),
        output=options.logs / "broker.log",
        databases=[database],
    )


def board_program(options: Options, addresses: Addresses) -> Program:
    """What feeds the live board: started by the first who watches, and gone some time after the last one."""
    broker = ("--broker", addresses.broker) if addresses.broker else ()
    return Program(
        name="board",
        arguments=(options.python, "-m", "laptop.board", "--data", str(options.data), *broker),
        environment=_python_environment(),
        output=options.logs / "board.log",
        on_demand=True,
    )


def migrations_program(functions: tuple[Function, ...], options: Options, addresses: Addresses) -> Program | None:
    """One process that brings all databases up to date, each by the migrations of its owner; None if there are none.

    DATABASE_URL is the folder's own, PROVIDER_DATABASE_URL that of the folder `provider` inside.
    """
    pairs: dict[Path, str] = {}
    for function in functions:
        folder = options.functions / function.folder
        here = _environment(function.environment, function.folder, options, addresses)
        urls = {folder / database_name(name): url for name, url in here.items() if name.endswith("DATABASE_URL")}
        pairs |= {owner: url for owner, url in urls.items() if (owner / "migrations").is_dir()}
    if not pairs:
        return None
    words = [word for folder, url in pairs.items() for word in (str(folder), url)]
    return Program(
        name="migrations",
        arguments=(options.python, "-m", "choreography.migrations", *words),
        environment=_python_environment(),
        output=options.logs / "migrations.log",
    )


def fork_server_program(options: Options) -> Program:
    """What functions are forked from."""
    return Program(
        name=FORK_SERVER,
        arguments=(options.python, "-m", "laptop.forkserver"),
        environment=_python_environment(),
        output=options.logs / f"{FORK_SERVER}.log",
        folder=_ROOT_OF_ALL,
    )


def jaeger_program(jaeger: Jaeger, options: Options) -> Program:
    """Jaeger with a configuration of its own: what it got is in memory, and only this machine reaches it."""
    configuration = options.data / "jaeger.json"
    configuration.write_text(jaeger.configuration(), "utf-8")
    return Program(
        name="jaeger",
        arguments=(str(jaeger.program), "--config", str(configuration)),
        environment=_machine_environment(),
        output=options.logs / "jaeger.log",
    )


def _telemetry(name: str, options: Options) -> dict[str, str]:
    return {**options.telemetry, "OTEL_SERVICE_NAME": name} if options.telemetry else {}


def _environment(declared: Mapping[str, Value], folder: str, options: Options, addresses: Addresses) -> dict[str, str]:
    def secret(key: SecretKey) -> str:
        return kept_secret(options.data, key)

    def database(variable: str) -> str:
        return database_url(variable, folder, options.data)

    def mounted(variable: str) -> str:
        return kept_folder(options.data, variable)

    return on_this_machine(declared, secret, addresses.of_service, database, mounted)


def _own_names(environment: Mapping[str, str]) -> dict[str, str]:
    """The hosts that are answered to: no name but this machine's own and those in the manifest.

    Any page can send to a port of this machine, and a name of its own can lead here (DNS rebinding).
    """
    added = [name for name in environment.get("ALLOWED_HOSTS", "").split() if name != "*"]
    return {"ALLOWED_HOSTS": " ".join([*OWN_NAMES, *added])}


def _python_environment() -> dict[str, str]:
    """Output unbuffered: what a process wrote before it was killed is in its log. No module comes from its folder."""
    return {**_machine_environment(), "PYTHONPATH": str(ROOT), "PYTHONSAFEPATH": "1", "PYTHONUNBUFFERED": "1"}


def _machine_environment() -> dict[str, str]:
    """What of this terminal's environment everything gets: as in a container, no variable comes in by accident."""
    return {name: os.environ[name] for name in _OF_THE_MACHINE if name in os.environ}


def _caddy() -> str:
    beside_python = Path(sysconfig.get_path("scripts")) / "caddy"
    return str(beside_python) if beside_python.exists() else "caddy"
