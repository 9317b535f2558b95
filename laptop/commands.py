"""The command line and the environment of everything that runs."""

import os
import sysconfig
from collections.abc import Mapping
from pathlib import Path

from laptop.addresses import Addresses
from laptop.environment import SecretKey, Value, database_name, database_url, on_this_machine
from laptop.manifests import Function, Gateway
from laptop.process import Command
from laptop.settings import ROOT, Settings
from laptop.sockets import HOST
from laptop.state import kept_folder, kept_secret

OWN_NAMES = ("localhost", HOST)
"""What this machine is called in the addresses of what runs here."""
_OF_THE_MACHINE = ("PATH", "HOME", "USER", "LANG", "LC_ALL", "LC_CTYPE", "TZ", "TMPDIR", "LD_LIBRARY_PATH")


def function_command(function: Function, settings: Settings, addresses: Addresses) -> Command:
    """functions-framework with the target's source, as in its image."""
    source = settings.functions / function.folder / "main.py"
    here = _environment(function.environment, function.folder, settings, addresses)
    revision = f"{function.name}-00001"
    identity = {"K_SERVICE": function.name, "K_CONFIGURATION": function.name, "K_REVISION": revision}
    port = {"PORT": str(addresses.port(function.name))}
    sink = {"K_SINK": addresses.of_sink(function.sink), "K_CE_OVERRIDES": function.overrides} if function.sink else {}
    return Command(
        name=function.name,
        arguments=(
            settings.python,
            "-m",
            "functions_framework",
            "--source",
            str(source),
            "--target",
            function.target,
        ),
        environment=_python_environment() | here | _own_names(here) | identity | port | sink,
        output=settings.logs / f"{function.name}.log",
        folder=Path("/"),  # gunicorn cuts blanks off the name of the folder it is started in
    )


def gateway_command(gateway: Gateway, settings: Settings, addresses: Addresses) -> Command:
    """Caddy with the Caddyfile of the cluster; it takes the held socket by its descriptor."""
    home = str(settings.data / "caddy")
    here = _environment(gateway.environment, gateway.name, settings, addresses)
    port = addresses.port(gateway.name)
    own_pages = [f"http://{name}:{port}" for name in OWN_NAMES]
    laptop = {
        "PORT": str(port),
        "LISTEN": "fd/3",
        "BROKER_URL": addresses.broker or "",
        # named from its own folder: in a Caddyfile, a blank or a brace in a path would mean something
        "WEB_ROOT": "web",
        "XDG_DATA_HOME": home,
        "XDG_CONFIG_HOME": home,
        "ALLOWED_ORIGINS": " ".join([*own_pages, *here.get("ALLOWED_ORIGINS", "").split()]),
    }
    return Command(
        name=gateway.name,
        arguments=(_caddy(), "run", "--config", "Caddyfile", "--adapter", "caddyfile"),
        environment=_machine_environment() | here | _own_names(here) | laptop,
        output=settings.logs / f"{gateway.name}.log",
        folder=ROOT / "gateway",
        explained_by=(_caddy(), "validate", "--config", "Caddyfile", "--adapter", "caddyfile"),
    )


def broker_command(settings: Settings, addresses: Addresses) -> Command:
    """The embedded broker with the Triggers of the manifests and the addresses of all Services."""
    triggers = [word for path in settings.manifests for word in ("--triggers", str(path))]
    services = [word for name, url in addresses.services.items() for word in ("--service", f"{name}={url}")]
    data = ("--data", str(settings.data / "broker.db"))
    disturb = ("--disturb", settings.disturb) if settings.disturb else ()
    bound = ("--max-bytes", str(settings.broker_bytes)) if settings.broker_bytes else ()
    return Command(
        name="broker",
        arguments=(settings.python, "-m", "broker.embedded", *triggers, *services, *data, *disturb, *bound),
        environment=_python_environment(),
        output=settings.logs / "broker.log",
    )


def migrations_command(functions: tuple[Function, ...], settings: Settings, addresses: Addresses) -> Command | None:
    """One process that brings all databases up to date, each by the migrations of its owner; None if there are none.

    DATABASE_URL is the folder's own, PROVIDER_DATABASE_URL that of the folder `provider` inside.
    """
    pairs: dict[Path, str] = {}
    for function in functions:
        folder = settings.functions / function.folder
        here = _environment(function.environment, function.folder, settings, addresses)
        urls = {folder / database_name(name): url for name, url in here.items() if name.endswith("DATABASE_URL")}
        pairs |= {owner: url for owner, url in urls.items() if (owner / "migrations").is_dir()}
    if not pairs:
        return None
    words = [word for folder, url in pairs.items() for word in (str(folder), url)]
    return Command(
        name="migrations",
        arguments=(settings.python, "-m", "choreography.migrations", *words),
        environment=_python_environment(),
        output=settings.logs / "migrations.log",
    )


def _environment(
    declared: Mapping[str, Value], folder: str, settings: Settings, addresses: Addresses
) -> dict[str, str]:
    def secret(key: SecretKey) -> str:
        return kept_secret(settings.data, key)

    def database(variable: str) -> str:
        return database_url(variable, folder, settings.data)

    def mounted(variable: str) -> str:
        return kept_folder(settings.data, variable)

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
