"""Where the parts of a system are: `system.toml` in its folder. Needs the standard library only.

What the file leaves out is where `DEFAULTS` says; a system that has everything there needs no such file.
"""

import tomllib
from pathlib import Path
from typing import Any

from laptop.errors import LaptopError

ROOT = Path(__file__).resolve().parent.parent
NAME = "system.toml"
DEFAULTS: dict[str, str | list[str]] = {
    "manifests": ["manifests"],
    "functions": "functions",
    "code": [],
    "data": ".data",
    "welcome": "welcome.txt",
    "status": "make status SYSTEM={folder}",
    "kept": "GET /-/kept of the broker lists them",
}
"""Paths are relative to the system's folder. `code` is what its functions import in addition to their own folders and
the kit. `welcome` is what people can type, a line each. `status` is the command that shows who is awake, `kept` says
where to find events that nobody took."""


def read_system(folder: Path) -> dict[str, Any]:
    """The keys of DEFAULTS with their values for the system in a folder. Raises LaptopError."""
    file = folder / NAME
    try:
        written = tomllib.loads(file.read_text("utf-8"))
    except (FileNotFoundError, NotADirectoryError):
        written = {}
    except ValueError as error:
        raise LaptopError(f"{file} is not TOML: {error}") from error
    for key, value in written.items():
        if key not in DEFAULTS:
            raise LaptopError(f"{file}: there is no key {key}; there are {', '.join(DEFAULTS)}")
        if not _is_like(value, DEFAULTS[key]):
            wanted = "a list of texts" if isinstance(DEFAULTS[key], list) else "a text"
            raise LaptopError(f"{file}: {key} must be {wanted}")
    return DEFAULTS | {"status": str(DEFAULTS["status"]).format(folder=folder)} | written


def data_of(folder: Path = ROOT) -> Path:
    """Where the data of the system in a folder are; without one, of the system of this checkout. Raises LaptopError."""
    data: str = read_system(folder)["data"]
    return folder / data


def _is_like(value: object, sample: str | list[str]) -> bool:
    if isinstance(sample, str):
        return isinstance(value, str)
    return isinstance(value, list) and all(isinstance(one, str) for one in value)
